import { describe, expect, test } from 'vitest'
import { transportPair } from '../transport-pair.js'

describe('a handshake', () => {
  test('ends with the same session identifier and algorithms on both sides', async () => {
    const { client, server } = (await transportPair()).start()
    expect(client.errorCodes).toEqual([])
    expect(server.errorCodes).toEqual([])
    expect(client.transport.isOpen).toBe(true)
    expect(server.transport.isOpen).toBe(true)
    expect(client.transport.sessionIdentifier).toEqual(server.transport.sessionIdentifier)
    expect(client.transport.algorithms).toEqual(server.transport.algorithms)
    expect(client.transport.isStrict).toBe(true)
    expect(server.transport.isStrict).toBe(true)
  })
})
