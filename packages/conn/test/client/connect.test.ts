import { expect, test } from 'vitest'
import { aliceOptions, connecting, listening } from '../loopback.js'

test('connects and closes', async () => {
  const server = await listening()
  const connection = await connecting(server.port)
  expect(connection.info).toMatchObject({ username: 'alice', host: '127.0.0.1', port: server.port })
  await connection.close()
  await expect(connection.closed).resolves.toBeUndefined()
  await expect(connection.openSessionChannel()).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
  expect(aliceOptions.username).toBe('alice')
})
