/** A library's client against our server. */

import { createHash, randomBytes } from 'node:crypto'
import { ciphers } from '@ssh/crypto'
import type { SshServer } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  inLanes,
  type LibraryCommand,
  type LibraryConnection,
  runBuiltin,
  startIntruder,
  withoutComment,
} from '../../src/index.js'
import { rounds } from './rounds.js'
import { firstKey, makeUserKey, ourServer, password, theirClient, type UserKey, type Workbench } from './workbench.js'

const data = randomBytes(100_000)
const MiB = 2 ** 20

export interface ClientTraits {
  /** It can send signals to a program. */
  readonly sendsSignals: boolean
  /** It tells by which signal a program ended. */
  readonly tellsSignals: boolean
}

export function describeOurServer(bench: Workbench, traits: ClientTraits): void {
  const { peer, shared, hostKeys, userKeys } = bench
  const { kex, ciphers: cipherNames, macs } = shared
  let server: SshServer
  beforeAll(async () => {
    server = await ourServer(bench, {
      kexAlgs: kex,
      encryptionAlgs: cipherNames,
      macAlgs: macs,
      processFactory: runBuiltin,
    })
  })
  afterAll(() => server?.close())

  describe('algorithms', () => {
    test('agrees on the post-quantum key exchange when nobody asks for anything', async () => {
      await using plain = await ourServer(bench, { processFactory: runBuiltin })
      expect((await theirClient(bench, plain)).kex).toBe('mlkem768x25519-sha256')
    })

    test.for(kex)('%s works with every type of host key', async (name) => {
      await inLanes(2, shared.hostKeys, async (hostKeyAlgorithm) => {
        const connection = await theirClient(bench, server, {
          password,
          kex: [name],
          hostKeyAlgorithms: [hostKeyAlgorithm],
          hostKey: hostKeyFor(hostKeyAlgorithm),
        })
        expect(connection.kex).toBe(name)
        await expectEcho(connection)
      })
    })

    test.for(cipherNames)('%s works with every MAC', async (cipher) => {
      const isAead = ciphers.get(cipher)?.isAead
      await inLanes(2, isAead ? [undefined] : macs, async (mac) => {
        const options = { ciphers: [cipher], ...(mac !== undefined && { macs: [mac] }) }
        const connection = await theirClient(bench, server, { password, ...options })
        expect(connection.ciphers).toEqual([cipher, cipher])
        if (mac !== undefined) expect(connection.macs).toEqual([mac, mac])
        await expectEcho(connection)
      })
    })

    test('shows a packet that somebody slipped into the first key exchange to both sides', async () => {
      const ends: unknown[] = []
      await using watched = await ourServer(bench, {
        processFactory: runBuiltin,
        serverFactory: () => ({
          validatePassword: () => true,
          connectionLost: (error) => ends.push(error),
        }),
      })
      const gcm = { password, ciphers: ['aes128-gcm@openssh.com'] }
      {
        await using honest = await startIntruder(watched.port, 'none')
        await expectEcho(await theirClient(bench, honest, gcm))
      }
      await using toClient = await startIntruder(watched.port, 'client')
      await expect(theirClient(bench, toClient, gcm)).rejects.toThrow()
      await using toServer = await startIntruder(watched.port, 'server')
      await expect(theirClient(bench, toServer, gcm)).rejects.toThrow()
      expect(ends.at(-1)).toMatchObject({ code: 'ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE' })
    })
  })

  describe('logging in', () => {
    test('twenty times at once', async () => {
      const connections = await Promise.all(Array.from({ length: 20 }, () => theirClient(bench, server)))
      const open = [...server.connections]
      await Promise.all(connections.map(expectEcho))
      await Promise.allSettled(open.map(({ closed }) => closed))
      expect(server.connections.size).toBe(0)
    })

    test.for(userKeys)('with a key of type $algorithm', async ({ path }) => {
      await expectEcho(await theirClient(bench, server, { keyFile: path }))
    })

    test('with a key in a file that the SDK locked', async () => {
      const locked = await makeUserKey(bench.folder, 'ssh-ed25519', { name: 'locked', passphrase: 'sesame' })
      await using picky = await ourServer(bench, {
        authorizedClientKeys: `${locked.publicLine}\n`,
        processFactory: runBuiltin,
      })
      await expectEcho(await theirClient(bench, picky, { keyFile: locked.path, passphrase: 'sesame' }))
    })

    test.for(['rsa-sha2-512', 'rsa-sha2-256'])('with an RSA key by %s, when we announce that', async (name) => {
      await using picky = await ourServer(bench, {
        signatureAlgs: [name, 'ssh-ed25519'],
        maxAuthTries: 1,
        processFactory: runBuiltin,
      })
      await expectEcho(await theirClient(bench, picky, { keyFile: rsaKey().path }))
    })

    test('with answers to several prompts in several rounds', async () => {
      let round = 0
      const challenge = () => rounds[round] ?? false
      await using asking = await ourServer(bench, {
        processFactory: runBuiltin,
        serverFactory: () => ({
          getKbdintChallenge: challenge,
          validateKbdintResponse: (_, responses) => {
            const { answers } = rounds[round] ?? { answers: [] }
            round++
            return responses.join() === answers.join() && (round === rounds.length || challenge())
          },
        }),
      })
      const answers = Object.fromEntries(
        rounds.flatMap((each) => each.prompts.map(({ prompt }, index) => [prompt, each.answers[index] ?? ''])),
      )
      const connection = await theirClient(bench, asking, { answers })
      expect(connection.rounds).toEqual(rounds.map(({ answers: _, ...asked }) => asked))
      await expectEcho(connection)
    })

    test('with a key and then a password', async () => {
      await using strict = await ourServer(bench, {
        requiredAuth: [['publickey', 'password']],
        processFactory: runBuiltin,
      })
      const keyFile = firstKey(userKeys).path
      await expectEcho(await theirClient(bench, strict, { keyFile, password }))
      await expect(theirClient(bench, strict, { keyFile, password: 'wrong' })).rejects.toMatchObject({ kind: 'auth' })
      await expect(theirClient(bench, strict, { password })).rejects.toMatchObject({ kind: 'auth' })
    })

    test('shows the banner', async () => {
      const banner = 'Authorized use only – no entry\n'
      await using polite = await ourServer(bench, { banner, processFactory: runBuiltin })
      expect((await theirClient(bench, polite)).banner).toBe(banner)
    })

    test('refuses a wrong password, an unknown key and an unknown user', async () => {
      const stranger = await makeUserKey(bench.folder, 'ssh-ed25519', { name: 'refused' })
      await expect(theirClient(bench, server, { password: 'wrong' })).rejects.toMatchObject({ kind: 'auth' })
      await expect(theirClient(bench, server, { keyFile: stranger.path })).rejects.toMatchObject({ kind: 'auth' })
      await expect(theirClient(bench, server, { username: 'nobody', password })).rejects.toMatchObject({ kind: 'auth' })
    })

    test('is refused when it shows another host key', async () => {
      const hostKey = withoutComment(firstKey(userKeys).publicLine)
      await expect(theirClient(bench, server, { password, hostKey })).rejects.toMatchObject({ kind: 'hostKey' })
    })
  })

  describe('commands', () => {
    let connection: LibraryConnection
    beforeAll(async () => {
      connection = await theirClient(bench, server)
      return () => peer.call('disconnect', connection)
    })
    const run = (command: string, options: Partial<LibraryCommand> = {}) => runOn(connection, command, options)

    test('tells status, output and errors apart', async () => {
      expect(await run('exit 7')).toMatchObject({ status: 7, stdout: '', stderr: '' })
      expect(await run('both abc')).toMatchObject({ status: 0, stdout: 'abc\n', stderr: 'cba\n' })
      expect(await run('nonsense')).toMatchObject({ status: 127 })
    })

    test('tells the signal that ended a command', async () => {
      const { status, signal } = await run('signal TERM')
      expect({ status, signal }).toEqual({ status: null, signal: traits.tellsSignals ? 'TERM' : null })
    })

    test('takes variables', async () => {
      expect(await run('env GREETING', { env: { GREETING: 'grüß dich' } })).toMatchObject({ stdout: 'grüß dich\n' })
    })

    test('gives a terminal, and resizes it', async () => {
      const pty = { term: 'vt220', columns: 100, rows: 40 }
      const { stdout } = await run('terminal', { pty, resize: { columns: 120, rows: 50 } })
      expect(stdout.replaceAll('\r', '')).toBe('vt220 100x40\n120x50\n')
    })

    test.runIf(traits.sendsSignals)('takes a signal', async () => {
      expect(await run('trap', { signal: 'USR1' })).toMatchObject({ status: 0, stdout: 'ready\nUSR1\n' })
    })

    test('goes on after the end of its input', async () => {
      const { stdout } = await run('sha256', { input: data.toString('base64') })
      expect(stdout).toBe(`${createHash('sha256').update(data).digest('hex')}\n`)
    })

    test('goes on after the end of the output', async () => {
      const input = data.toString('base64')
      const result = await run('eof-first', { input, inputAfterOutput: true })
      expect(result).toMatchObject({ status: data.length % 256, stdout: 'bye\n' })
    })

    test('runs many at once', async () => {
      const results = await Promise.all(Array.from({ length: 50 }, (_, n) => run(`echo ${n}`)))
      expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, n) => `${n}\n`))
    })
  })

  describe('64 MiB each way', () => {
    const transfer = (connection: LibraryConnection) =>
      peer.call('transfer', { connection: connection.connection, command: 'cat', bytes: 64 * MiB })

    test('with new keys at every MiB when the client asks for them', async () => {
      const connection = await theirClient(bench, server, { password, rekeyBytes: MiB })
      const { sent, received, bytes, keyExchanges } = await transfer(connection)
      expect({ received, bytes }).toEqual({ received: sent, bytes: 64 * MiB })
      // How much its threads still send before the one that asks has its turn is for the machine to say.
      expect(keyExchanges).toBeGreaterThan(8)
    })

    test('with new keys at every MiB when we ask for them', async () => {
      await using eager = await ourServer(bench, { rekeyBytes: MiB, processFactory: runBuiltin })
      const { sent, received, bytes, keyExchanges } = await transfer(await theirClient(bench, eager))
      expect({ received, bytes }).toEqual({ received: sent, bytes: 64 * MiB })
      expect(keyExchanges).toBeGreaterThan(32)
    })
  })

  async function expectEcho(connection: LibraryConnection): Promise<void> {
    const input = data.toString('base64')
    const { stdout } = await peer.call('exec', { connection: connection.connection, command: 'cat', input })
    expect(stdout === input).toBe(true)
    await peer.call('disconnect', connection)
  }

  async function runOn({ connection }: LibraryConnection, command: string, options: Partial<LibraryCommand>) {
    const result = await peer.call('exec', { ...options, connection, command })
    const text = (base64: string): string => Buffer.from(base64, 'base64').toString()
    return { ...result, stdout: text(result.stdout), stderr: text(result.stderr) }
  }

  function hostKeyFor(algorithm: string): string {
    const type = algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm
    const key = hostKeys.find(({ publicLine }) => publicLine.startsWith(type))
    return withoutComment(key?.publicLine ?? '')
  }

  function rsaKey(): UserKey {
    return userKeys.find(({ algorithm }) => algorithm === 'ssh-rsa') ?? firstKey(userKeys)
  }
}
