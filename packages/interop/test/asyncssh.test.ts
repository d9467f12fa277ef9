/** AsyncSSH, both ways. */

import { PermissionDenied } from '@ssh/sdk'
import { describe, expect, test } from 'vitest'
import { connectTo, runBuiltin } from '../src/index.js'
import { describeOurForwarding, describeTheirConnections, describeTheirForwarding } from './libraries/forwarding.js'
import { describeOurClient } from './libraries/our-client.js'
import { describeOurFiles } from './libraries/our-files.js'
import { describeOurServer } from './libraries/our-server.js'
import { describeTheirFiles } from './libraries/their-files.js'
import { describeLibrary, ourServer, password, theirClient, theirServer } from './libraries/workbench.js'

await describeLibrary('asyncssh', 'AsyncSSH', (bench) => {
  describe('as a server', () => {
    // Its connections share the key that signs, set to the algorithm of whoever came last: one RSA client at a time.
    describeOurClient(bench, { lanes: 1, relaysSignals: true, canRequireBoth: false })
    describeOurFiles(bench, { lacks: ['expandPath', 'homeDirectory', 'usersGroupsById'] })
    describeOurForwarding(bench)

    test('has an expired password changed', async () => {
      const strict = await theirServer(bench, { expiredPassword: 'old' })
      const asked: string[] = []
      const change = { clientKeys: null, password: 'old', preferredAuth: 'password' }
      await using conn = await connectTo(strict, {
        ...change,
        passwordChange: (prompt) => {
          asked.push(prompt)
          return { oldPassword: 'old', newPassword: password }
        },
      })
      expect(asked).toEqual(['Your password has expired'])
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
      await expect(connectTo(strict, change)).rejects.toThrow(PermissionDenied)
    })
  })

  describe('as a client', () => {
    describeOurServer(bench, { sendsSignals: true, tellsSignals: true })
    describeTheirFiles(bench)
    describeTheirConnections(bench)
    describeTheirForwarding(bench)

    test('changes an expired password', async () => {
      const changed: string[] = []
      await using strict = await ourServer(bench, {
        processFactory: runBuiltin,
        serverFactory: () => ({
          validatePassword: () => ({ changeRequired: { prompt: 'Time for a new one' } }),
          changePassword: (_, oldPassword, newPassword) => {
            changed.push(`${oldPassword} → ${newPassword}`)
            return true
          },
        }),
      })
      const { connection } = await theirClient(bench, strict, { password: 'old', newPassword: 'new' })
      expect(changed).toEqual(['old → new'])
      const { status } = await bench.peer.call('exec', { connection, command: 'exit 3' })
      expect(status).toBe(3)
      await expect(theirClient(bench, strict, { password: 'old' })).rejects.toMatchObject({ kind: 'auth' })
    })
  })
})
