/** Our client against a library's server. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { ciphers } from '@ssh/crypto'
import { HostKeyNotVerifiable, KeyExchangeFailed, PermissionDenied, type SshClientConnection } from '@ssh/sdk'
import { beforeAll, describe, expect, test } from 'vitest'
import { connectTo, inLanes, startIntruder } from '../../src/index.js'
import { rounds } from './rounds.js'
import { firstKey, makeUserKey, password, type TheirServer, theirServer, type Workbench } from './workbench.js'

const data = randomBytes(100_000)
const MiB = 2 ** 20

export interface ServerTraits {
  /** Connections at a time that agree on different algorithms. Default 2. */
  readonly lanes?: number
  /** It lets clients send signals to a program. */
  readonly relaysSignals: boolean
  /** It can ask for a key and a password. */
  readonly canRequireBoth: boolean
}

export function describeOurClient(bench: Workbench, traits: ServerTraits): void {
  const { shared, userKeys } = bench
  const { lanes = 2 } = traits
  let server: TheirServer
  beforeAll(async () => {
    server = await theirServer(bench, { kex: shared.kex, ciphers: shared.ciphers, macs: shared.macs })
  })

  describe('algorithms', () => {
    test('agrees on the post-quantum key exchange when nobody asks for anything', async () => {
      await using conn = await connectTo(await theirServer(bench))
      expect(conn.info.algorithms.kex).toBe('mlkem768x25519-sha256')
    })

    test.for(shared.kex)('%s works with every type of host key', async (kex) => {
      await inLanes(lanes, shared.hostKeys, async (hostKey) => {
        await using conn = await connectTo(server, { kexAlgs: [kex], serverHostKeyAlgs: [hostKey] })
        expect(conn.info.algorithms).toMatchObject({ kex, serverHostKey: hostKey })
        expect((await conn.run('echo hi')).stdout).toBe('hi\n')
      })
    })

    test.for(shared.ciphers)('%s works with every MAC, and after a change of keys', async (cipher) => {
      const names = ciphers.get(cipher)?.isAead ? [undefined] : shared.macs
      await inLanes(lanes, names, async (mac) => {
        const options = { encryptionAlgs: [cipher], ...(mac !== undefined && { macAlgs: [mac] }) }
        await using conn = await connectTo(server, options)
        expect(conn.info.algorithms).toMatchObject({
          encryptionClientToServer: cipher,
          encryptionServerToClient: cipher,
          macClientToServer: mac,
          macServerToClient: mac,
        })
        await expectEcho(conn)
        await conn.rekey()
        await expectEcho(conn)
      })
    })

    test('names both lists when there is no common cipher', async () => {
      const limited = await theirServer(bench, { ciphers: ['aes256-ctr'] })
      const failure = await failureOf(connectTo(limited, { encryptionAlgs: ['aes128-ctr'] }))
      expect(failure).toBeInstanceOf(KeyExchangeFailed)
      expect(failure).toMatchObject({ details: { ours: ['aes128-ctr'], theirs: ['aes256-ctr'] } })
    })

    test('notices a packet that somebody slipped into the first key exchange', async () => {
      const gcm = { encryptionAlgs: ['aes128-gcm@openssh.com'] }
      {
        await using honest = await startIntruder(server.port, 'none')
        await using conn = await connectTo({ ...server, port: honest.port }, { ...gcm, knownHosts: null })
        expect((await conn.run('echo hi')).stdout).toBe('hi\n')
      }
      await using toClient = await startIntruder(server.port, 'client')
      await expect(connectTo({ ...server, port: toClient.port }, { ...gcm, knownHosts: null })).rejects.toMatchObject({
        code: 'ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE',
      })
      await using toServer = await startIntruder(server.port, 'server')
      await expect(connectTo({ ...server, port: toServer.port }, { ...gcm, knownHosts: null })).rejects.toThrow()
    })
  })

  describe('logging in', () => {
    test('with a password', async () => {
      await using conn = await connectTo(server, { clientKeys: null, password })
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
    })

    test('twenty times at once', async () => {
      const connections = await Promise.all(Array.from({ length: 20 }, () => connectTo(server)))
      const results = await Promise.all(connections.map((conn, n) => conn.run(`echo ${n}`)))
      expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, n) => `${n}\n`))
      await Promise.all(connections.map((conn) => conn.close()))
    })

    test.for(userKeys)('with a key of type $algorithm', async ({ path }) => {
      await using conn = await connectTo(server, { clientKeys: path })
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
    })

    test.for(['rsa-sha2-512', 'rsa-sha2-256'])(
      'with an RSA key by %s, when the server announces that',
      async (name) => {
        const rsa = userKeys.find(({ algorithm }) => algorithm === 'ssh-rsa')
        const picky = await theirServer(bench, { signatures: [name, 'ssh-ed25519'] })
        await using conn = await connectTo(picky, { clientKeys: rsa?.path ?? null })
        expect((await conn.run('echo hi')).stdout).toBe('hi\n')
      },
    )

    test('with the third key that is tried', async () => {
      const strangers = await Promise.all(
        ['stranger', 'other'].map((name) => makeUserKey(bench.folder, 'ssh-ed25519', { name })),
      )
      const clientKeys = [...strangers, firstKey(userKeys)].map(({ path }) => path)
      await using conn = await connectTo(server, { clientKeys })
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
    })

    test('with answers to several prompts in several rounds', async () => {
      const asking = await theirServer(bench, { rounds })
      const asked: unknown[] = []
      await using conn = await connectTo(asking, {
        clientKeys: null,
        keyboardInteractive: (name, instructions, prompts) => {
          asked.push({ name, instructions, prompts })
          return rounds[asked.length - 1]?.answers ?? null
        },
      })
      expect(asked).toEqual(rounds.map(({ answers: _, ...round }) => round))
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
    })

    test.runIf(traits.canRequireBoth)('with a key and then a password', async () => {
      const strict = await theirServer(bench, { requiresBoth: true })
      await using conn = await connectTo(strict, { password })
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
      const failure = await failureOf(connectTo(strict))
      expect(failure).toBeInstanceOf(PermissionDenied)
      expect(failure).toMatchObject({
        details: { attempts: [{ method: 'publickey', result: 'partial success' }], serverMethods: ['password'] },
      })
    })

    test('shows the banner', async () => {
      const banner = 'Authorized use only – no entry\n'
      await using conn = await connectTo(await theirServer(bench, { banner }))
      expect(await once(conn, 'banner')).toMatchObject([expect.stringContaining(banner.trim()), expect.any(String)])
    })

    test('is told what was tried when everything is refused', async () => {
      const stranger = await makeUserKey(bench.folder, 'ssh-ed25519', { name: 'unknown' })
      const wrong = { clientKeys: stranger.path, password: 'wrong' }
      const failure = await failureOf(connectTo(server, { ...wrong, preferredAuth: ['publickey', 'password'] }))
      expect(failure).toBeInstanceOf(PermissionDenied)
      expect(failure).toMatchObject({
        details: {
          attempts: [
            { method: 'publickey', result: 'rejected', algorithm: 'ssh-ed25519' },
            { method: 'password', result: 'rejected' },
          ],
          serverMethods: expect.arrayContaining(['publickey', 'password']),
        },
      })
    })

    test('refuses a host key that is not the known one', async () => {
      const knownHosts = `[127.0.0.1]:${server.port} ${firstKey(userKeys).publicLine}\n`
      const failure = await failureOf(connectTo(server, { knownHosts }))
      expect(failure).toBeInstanceOf(HostKeyNotVerifiable)
    })
  })

  describe('commands', () => {
    let conn: SshClientConnection
    beforeAll(async () => {
      conn = await connectTo(server)
      return () => conn.close()
    })

    test('tells status, output and errors apart', async () => {
      expect(await conn.run('exit 7')).toMatchObject({ exitStatus: 7, exitSignal: null, stdout: '', stderr: '' })
      expect(await conn.run('both abc')).toMatchObject({ exitStatus: 0, stdout: 'abc\n', stderr: 'cba\n' })
      expect(await conn.run('nonsense')).toMatchObject({ exitStatus: 127 })
    })

    test('tells the signal that ended a command', async () => {
      const { exitStatus, exitSignal } = await conn.run('signal TERM')
      expect({ exitStatus, exitSignal }).toMatchObject({ exitStatus: null, exitSignal: { name: 'TERM' } })
    })

    test('sends variables', async () => {
      expect((await conn.run('env GREETING', { env: { GREETING: 'grüß dich' } })).stdout).toBe('grüß dich\n')
    })

    test('asks for a terminal, and resizes it', async () => {
      await using remote = await conn.createProcess('terminal', {
        requestPty: true,
        termType: 'vt220',
        termSize: [100, 40],
        encoding: 'utf8',
      })
      const [first] = await once(remote.stdout, 'data')
      expect(first).toBe('vt220 100x40\n')
      remote.resize(120, 50)
      const [second] = await once(remote.stdout, 'data')
      expect(second).toBe('120x50\n')
      expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
    })

    test.runIf(traits.relaysSignals)('sends a signal', async () => {
      await using remote = await conn.createProcess('trap', { encoding: 'utf8' })
      expect(await once(remote.stdout, 'data')).toEqual(['ready\n'])
      remote.kill('SIGUSR1')
      expect(await once(remote.stdout, 'data')).toEqual(['USR1\n'])
      expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
    })

    test('goes on after the end of its input', async () => {
      const { stdout } = await conn.run('sha256', { input: data })
      expect(stdout).toBe(`${createHash('sha256').update(data).digest('hex')}\n`)
    })

    test('goes on after the end of the output', async () => {
      await using remote = await conn.createProcess('eof-first', { encoding: 'utf8' })
      let output = ''
      for await (const text of remote.stdout) output += text
      expect(output).toBe('bye\n')
      expect(await remote.communicate(data)).toMatchObject({ exitStatus: data.length % 256 })
    })

    test('runs many at once', async () => {
      const results = await Promise.all(Array.from({ length: 50 }, (_, n) => conn.run(`echo ${n}`)))
      expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, n) => `${n}\n`))
    })
  })

  describe('64 MiB each way', () => {
    test('with new keys at every MiB when we ask for them', async () => {
      await using conn = await connectTo(server, { rekeyBytes: MiB })
      const { sent, received, keyChanges } = await pump(conn, 64 * MiB)
      expect(received).toBe(sent)
      expect(keyChanges).toBeGreaterThan(32)
    })

    test('with new keys at every MiB when the server asks for them', async () => {
      await using conn = await connectTo(await theirServer(bench, { rekeyBytes: MiB }))
      const { sent, received, keyChanges } = await pump(conn, 64 * MiB)
      expect(received).toBe(sent)
      // How much its threads still send before the one that asks has its turn is for the machine to say.
      expect(keyChanges).toBeGreaterThan(8)
    })
  })
}

async function expectEcho(conn: SshClientConnection): Promise<void> {
  const { stdout } = await conn.run('cat', { input: data, encoding: 'buffer' })
  expect(stdout.equals(data)).toBe(true)
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => expect.unreachable('It did not fail'),
    (error: unknown) => error,
  )
}

/** Sends random bytes through `cat`. */
async function pump(conn: SshClientConnection, bytes: number) {
  const sent = createHash('sha256')
  const received = createHash('sha256')
  let keyChanges = 0
  conn.on('rekey', () => keyChanges++)
  await using remote = await conn.createProcess('cat')
  const source = function* () {
    for (let left = bytes; left > 0; left -= 65536) {
      const chunk = randomBytes(Math.min(left, 65536))
      sent.update(chunk)
      yield chunk
    }
  }
  const receive = async (): Promise<void> => {
    for await (const chunk of remote.stdout) received.update(chunk)
  }
  await Promise.all([pipeline(source, remote.stdin), receive()])
  expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
  return { sent: sent.digest('hex'), received: received.digest('hex'), keyChanges }
}
