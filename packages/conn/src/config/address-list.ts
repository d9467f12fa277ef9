/** Lists of hosts and addresses that may come in: `from=` of authorized_keys and its relatives. */

import { isInBlock, parseCidr, parseIpAddress, withoutMapping } from './ip-address.js'
import { matchesPattern, matchList } from './patterns.js'

/** What is wrong with a list, or undefined. An item with `/` must be a CIDR block, and none may be empty. */
export function faultOfAddressList(list: string): string | undefined {
  for (const item of list.split(',')) {
    const bare = item.startsWith('!') ? item.slice(1) : item
    if (bare === '') return 'an empty item'
    if (bare.includes('/') && parseCidr(bare) === undefined) return `"${bare}", which is no CIDR block`
  }
  return undefined
}

/**
 * Whether the list lets a client in: its address or its host name fits an item, and neither fits a negated one.
 * A client without an address (it came through a local socket) is never let in, nor is anyone by a faulty list.
 * @param list comma-separated wildcard patterns, addresses and CIDR blocks; `!` negates
 * @param host the client's host name, if somebody verified it
 */
export function isInAddressList(list: string, address: string | undefined, host?: string): boolean {
  const bytes = address === undefined ? undefined : parseIpAddress(address)
  if (address === undefined || bytes === undefined || faultOfAddressList(list) !== undefined) return false
  const text = withoutMapping(address).toLowerCase()
  const byAddress = matchList(list, (item) => {
    const block = parseCidr(item)
    return block === undefined ? matchesPattern(item.toLowerCase(), text) : isInBlock(block, bytes)
  })
  const name = host?.toLowerCase()
  const byHost = name === undefined ? 'unmatched' : matchList(list, (item) => matchesPattern(item.toLowerCase(), name))
  if (byAddress === 'negated' || byHost === 'negated') return false
  return byAddress === 'matched' || byHost === 'matched'
}
