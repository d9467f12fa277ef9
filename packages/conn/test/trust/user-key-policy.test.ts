import { generatePrivateKey, type PublicKey } from '@ssh/crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseAuthorizedKeys } from '../../src/config/authorized-keys.js'
import { decideUserKey, type UserKeyRequest } from '../../src/trust/user-key-policy.js'

let key: PublicKey
let other: PublicKey

beforeAll(async () => {
  key = (await generatePrivateKey()).publicKey
  other = (await generatePrivateKey()).publicKey
})

function decide(text: string, request: Partial<UserKeyRequest> = {}) {
  const line = (publicKey: PublicKey) => publicKey.exportPublicKey().trim()
  const authorized = parseAuthorizedKeys(text.replaceAll('KEY', line(key)).replaceAll('OTHER', line(other)), 'file')
  const asked = { key, clientAddress: '192.0.2.1', now: Date.UTC(2025, 0, 1), ...request }
  return decideUserKey(asked, authorized)
}

describe('decideUserKey', () => {
  it('accepts a key on file, under the restrictions of its line', () => {
    expect(decide('OTHER\nno-pty KEY')).toMatchObject({
      type: 'accept',
      entry: { line: 2, restrictions: { allowPty: false } },
    })
  })

  it('rejects a key that is not on file, or only on a line nobody understands', () => {
    expect(decide('OTHER')).toEqual({ type: 'reject', reason: 'the key is not authorized' })
    expect(decide('unknown-option KEY').type).toBe('reject')
    expect(decide('').type).toBe('reject')
  })

  it('goes by the first line that applies to the client', () => {
    const text = 'from="198.51.100.*" KEY\nfrom="192.0.2.0/24",restrict KEY\nKEY'
    expect(decide(text)).toMatchObject({ entry: { line: 2 } })
    expect(decide(text, { clientAddress: '198.51.100.1' })).toMatchObject({ entry: { line: 1 } })
    expect(decide(text, { clientAddress: undefined })).toMatchObject({ entry: { line: 3 } })
  })

  it('knows a client by a host name that was verified', () => {
    expect(decide('from="*.example.com" KEY', { clientHost: 'a.example.com' }).type).toBe('accept')
    expect(decide('from="*.example.com" KEY')).toMatchObject({ reason: 'line 1 of file does not apply to 192.0.2.1' })
  })

  it('rejects from the moment a line expires', () => {
    const text = 'expiry-time="20250101Z" KEY'
    expect(decide(text, { now: Date.UTC(2025, 0, 1) - 1 }).type).toBe('accept')
    expect(decide(text, { now: Date.UTC(2025, 0, 1) })).toEqual({
      type: 'reject',
      reason: 'line 1 of file has expired',
    })
  })
})
