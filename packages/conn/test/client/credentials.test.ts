import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, it } from 'vitest'
import { Credentials } from '../../src/client/credentials.js'

describe('the obvious key', async () => {
  const key = await generatePrivateKey('ssh-ed25519')
  const rsaKey = await generatePrivateKey('ssh-rsa', { bits: 2048 })

  it('is the only one that the user named', async () => {
    expect((await Credentials.prepare({ clientKeys: key })).hasObviousKey).toBe(true)
    expect((await Credentials.prepare({ clientKeys: [key, key] })).hasObviousKey).toBe(false)
    expect((await Credentials.prepare({ clientKeys: null })).hasObviousKey).toBe(false)
    expect((await Credentials.prepare({})).hasObviousKey).toBe(false)
  })

  it('is none when another method comes first', async () => {
    const options = { clientKeys: key, password: 'secret', preferredAuth: ['password', 'publickey'] } as const
    expect((await Credentials.prepare(options)).hasObviousKey).toBe(false)
  })

  it('is no RSA key, which can sign in ways that the server may not take', async () => {
    expect((await Credentials.prepare({ clientKeys: rsaKey })).hasObviousKey).toBe(false)
  })
})
