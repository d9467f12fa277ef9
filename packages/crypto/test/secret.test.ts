import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from '../src/index.js'

describe('Secret', () => {
  it('shows nothing of itself, however it is printed', () => {
    const secret = new Secret(Buffer.from('hunter2'))
    const shown = [
      String(secret),
      `${secret}`,
      inspect(secret),
      inspect({ nested: secret }, { showHidden: true, depth: 9 }),
      JSON.stringify({ secret }),
      format('%s %o %j', secret, secret, secret),
    ]
    for (const text of shown) {
      expect(text).toContain('[secret]')
      expect(text).not.toMatch(/hunter2|68 75 6e|104, ?117/)
    }
    expect(Object.keys(secret)).toEqual([])
  })

  it('gives the bytes themselves until it is wiped, and then overwrites them', () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const secret = new Secret(bytes)
    expect(secret.reveal()).toBe(bytes)
    secret.wipe()
    secret.wipe()
    expect(bytes).toEqual(Uint8Array.of(0, 0, 0))
    expect(secret.isWiped).toBe(true)
    expect(() => secret.reveal()).toThrow('has been wiped')
  })

  it('wipes itself at the end of a using block', () => {
    const bytes = Uint8Array.of(1, 2, 3)
    {
      using secret = new Secret(bytes)
      expect(secret.isWiped).toBe(false)
    }
    expect(bytes).toEqual(Uint8Array.of(0, 0, 0))
  })
})
