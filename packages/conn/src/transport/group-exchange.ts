/**
 * Diffie-Hellman in a group that the server chooses: RFC 4419. Never offered unless asked for by name: the other
 * methods are faster and nobody has to trust a group.
 */

import {
  type AlgorithmRow,
  type DhGroup,
  type HashName,
  initiateDh,
  type KexInitiation,
  modpGroup14,
  modpGroup16,
  modpGroup18,
  registry,
  respondDh,
} from '@ssh/crypto'
import { groupExchangeMessages, mpint, toBigInt, Writer } from '@ssh/wire'
import { KeyExchangeFailed } from '../errors.js'
import { type KexMethod, unexpectedKexMessage } from './kex-method.js'

/** One group exchange. */
export interface GroupExchangeAlgorithm extends AlgorithmRow {
  readonly source: string
  readonly hash: HashName
}

export const groupExchangeAlgorithms = registry<GroupExchangeAlgorithm>({
  name: 'diffie-hellman-group-exchange-sha256',
  status: 'supported',
  source: 'RFC 4419 §4.2',
  hash: 'sha256',
})

/**
 * Sizes a client asks for, in bits. RFC 8270 has 2048 for a minimum. More is not preferred, and much more not taken:
 * testing a prime that nobody knows takes 0.2 s at 2048 bits and 1.2 s at 3072, and holds up the process.
 */
const asked = { minimum: 2048, preferred: 2048, maximum: 3072 } as const
/** Groups a server gives, smallest first: well-known ones, so that a client need not trust us (RFC 3526). */
const given: readonly DhGroup[] = [modpGroup14, modpGroup16, modpGroup18]
/** Bytes of a private exponent in a group we did not choose: more than twice the strength of 3072 bits. */
const exponentLength = 48

const [, group, kexInitiate, kexReply, groupRequest] = groupExchangeMessages.definitions

/** A method that first fetches a group, then goes on as a plain one. */
export function groupExchangeMethod(hash: HashName): KexMethod {
  return {
    hash,
    secretEncoding: 'mpint',
    startClient(random) {
      let agreed: { readonly group: DhGroup; readonly initiation: KexInitiation } | undefined
      return {
        begin: () => groupRequest.encode(asked),
        receive(payload) {
          const message = groupExchangeMessages.decode(payload)
          if (agreed === undefined) {
            if (message.type !== 'group') throw unexpectedKexMessage(message.type, 'group')
            const chosen = { prime: message.prime, generator: message.generator, exponentLength }
            checkGroup(chosen)
            agreed = { group: chosen, initiation: initiateDh(chosen, random) }
            return { type: 'send', payload: kexInitiate.encode({ publicValue: agreed.initiation.publicValue }) }
          }
          if (message.type !== 'kexReply') throw unexpectedKexMessage(message.type, 'kexReply')
          const { publicValue } = agreed.initiation
          const secret = agreed.initiation.finish(message.publicValue)
          const methodFields = encodeFields(asked, agreed.group, publicValue, message.publicValue)
          return {
            type: 'done',
            result: { hostKey: message.hostKey, signature: message.signature, methodFields, secret },
          }
        },
      }
    },
    startServer(random) {
      let chosen: { readonly group: DhGroup; readonly request: Request } | undefined
      return {
        receive(payload) {
          const message = groupExchangeMessages.decode(payload)
          if (chosen === undefined) {
            if (message.type !== 'groupRequest' && message.type !== 'groupRequestOld') {
              throw unexpectedKexMessage(message.type, 'groupRequest')
            }
            chosen = { group: chooseGroup(message), request: message }
            return { type: 'send', payload: group.encode(chosen.group) }
          }
          if (message.type !== 'kexInitiate') throw unexpectedKexMessage(message.type, 'kexInitiate')
          const { publicValue, secret } = respondDh(chosen.group, message.publicValue, random)
          const methodFields = encodeFields(chosen.request, chosen.group, message.publicValue, publicValue)
          const reply = (hostKey: Uint8Array, signature: Uint8Array) =>
            kexReply.encode({ hostKey, publicValue, signature })
          return { type: 'done', result: { methodFields, secret, reply } }
        },
      }
    },
  }
}

/** What was asked for: the old form of the request has the preference alone (RFC 4419 §5). */
interface Request {
  readonly minimum?: number
  readonly preferred: number
  readonly maximum?: number
}

/** min ‖ n ‖ max ‖ p ‖ g ‖ e ‖ f (RFC 4419 §3); n alone after the old request. */
function encodeFields(request: Request, chosen: DhGroup, client: Uint8Array, server: Uint8Array): Uint8Array {
  const writer = new Writer(2048)
  for (const bits of [request.minimum, request.preferred, request.maximum]) {
    if (bits !== undefined) writer.writeUint32(bits)
  }
  for (const number of [chosen.prime, chosen.generator, client, server]) mpint.write(writer, number)
  return writer.finish()
}

/** The smallest group that is large enough, or else the largest one allowed. */
function chooseGroup({ minimum = asked.minimum, preferred, maximum = 8192 }: Request): DhGroup {
  const allowed = given.filter((candidate) => {
    const bits = candidate.prime.length * 8
    return bits >= minimum && bits <= maximum
  })
  const isSane = minimum <= preferred && preferred <= maximum
  const chosen = allowed.find((candidate) => candidate.prime.length * 8 >= preferred) ?? allowed.at(-1)
  if (!isSane || chosen === undefined) {
    throw new KeyExchangeFailed(
      'ERR_SSH_KEX_NO_GROUP',
      `The peer asked for a Diffie-Hellman group of ${minimum} to ${maximum} bits, ${preferred} preferred; ` +
        'there are groups of 2048, 4096 and 8192 bits',
      { details: { minimum, preferred, maximum } },
    )
  }
  return chosen
}

/** Whether a server's group has the size that was asked for and a sensible generator; `initiateDh` tests the prime. */
function checkGroup({ prime, generator }: DhGroup): void {
  const value = toBigInt(prime)
  const bits = value.toString(2).length
  if (bits < asked.minimum || bits > asked.maximum) {
    throw badGroup(`its prime has ${bits} bits, but ${asked.minimum} to ${asked.maximum} were asked for`)
  }
  const base = toBigInt(generator)
  if (base <= 1n || base >= value - 1n) throw badGroup('its generator is not between 1 and the prime less 1')
}

function badGroup(why: string): KeyExchangeFailed {
  return new KeyExchangeFailed(
    'ERR_SSH_KEX_BAD_GROUP',
    `The server chose a Diffie-Hellman group that cannot be used: ${why}`,
  )
}
