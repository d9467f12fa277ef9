/** Agents end to end: logging in with their keys, lending them to a server, using one that was lent. */

import { statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectSocket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { fromDuplex } from '@ssh/streams'
import { agentRequests, Writer } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { framed, KeyRing, ScriptedAgent } from '../../../conn/test/agent/scripted-agent.js'
import {
  AgentError,
  type AgentFilter,
  type ClientOptions,
  connect,
  connectAgent,
  type ListenOptions,
  PermissionDenied,
  ServerConnection,
  type ServerProcess,
} from '../../src/index.js'
import { embedded, hostKey, userKey, userLine } from '../embedded-server.js'
import { expectNothingLeftOpen } from '../open-handles.js'

expectNothingLeftOpen()

const other = await generatePrivateKey('ecdsa-sha2-nistp256', { comment: 'other' })
const rsa = await generatePrivateKey('ssh-rsa', { bits: 2048, comment: 'rsa' })

interface AgentSocket {
  readonly path: string
  readonly ring: KeyRing
  /** Connections that were made, and are open. */
  readonly open: Set<ScriptedAgent>
  readonly connections: () => number
}

/** An agent of this process behind a real socket; it is gone with the test. */
async function agentWith(...keys: readonly PrivateKey[]): Promise<AgentSocket> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-agent-test-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\${folder.replace(/\W/g, '')}` : join(folder, 'agent')
  const ring = new KeyRing(...keys)
  const open = new Set<ScriptedAgent>()
  let connections = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections++
    const agent = new ScriptedAgent(fromDuplex(socket), ring.answer)
    open.add(agent)
    socket.on('end', () => socket.end()).on('close', () => open.delete(agent))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  return { path, ring, open, connections: () => connections }
}

/** What a client needs beside its keys. */
const trusting = { hostKeyFingerprint: hostKey.getFingerprint() }

describe('connectAgent', () => {
  test('speaks to the agent at a path, and at that of the session', async () => {
    const { path, open } = await agentWith(userKey)
    vi.stubEnv('SSH_AUTH_SOCK', path)
    onTestFinished(() => void vi.unstubAllEnvs())
    for (const agent of [await connectAgent(path), await connectAgent()]) {
      expect((await agent.listKeys()).map(({ comment }) => comment)).toEqual(['user'])
      await agent.close()
      await agent.closed
    }
    await vi.waitFor(() => expect(open.size).toBe(0))
  })

  test('says what is wrong', async () => {
    vi.stubEnv('SSH_AUTH_SOCK', '')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(connectAgent('/nowhere/agent')).rejects.toBeInstanceOf(AgentError)
    await expect(connectAgent('')).rejects.toMatchObject({ name: 'OptionsError' })
    await expect(connectAgent('/nowhere/agent', { time: 3 } as object)).rejects.toMatchObject({ name: 'OptionsError' })
    await expect(connectAgent('/nowhere/agent', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    if (process.platform === 'win32') return
    await expect(connectAgent()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_UNAVAILABLE' })
  })
})

describe('logging in with an agent', () => {
  test.for([
    ['an Ed25519 key', userKey],
    ['an ECDSA key', other],
    ['an RSA key', rsa],
  ] as const)('%s that only the agent has lets in, and the agent is let go', async ([, key]) => {
    const { destination } = await embedded({ authorizedClientKeys: key.exportPublicKey() })
    const { path, open, connections } = await agentWith(rsa, other, userKey)
    await using conn = await connect(destination, {
      ...trusting,
      agentPath: path,
      identitiesOnly: true,
      agentIdentities: key.publicKey,
    })
    expect(conn.isClosed).toBe(false)
    expect(connections()).toBe(1)
    await vi.waitFor(() => expect(open.size).toBe(0))
  })

  test('one of its keys can be named as a key', async () => {
    const { destination } = await embedded()
    const { path } = await agentWith(other, userKey)
    await using agent = await connectAgent(path)
    const key = (await agent.listKeys()).find(({ comment }) => comment === 'user')
    await using conn = await connect(destination, { ...trusting, agentPath: null, clientKeys: key ?? [] })
    expect(conn.isClosed).toBe(false)
  })

  test('too many keys are refused by the server, and agentIdentities helps (trap 14)', async () => {
    const strangers = await Promise.all(Array.from({ length: 4 }, () => generatePrivateKey('ssh-ed25519')))
    const { destination } = await embedded({ maxAuthTries: 3 })
    const { path } = await agentWith(...strangers, userKey)
    await expect(connect(destination, { ...trusting, agentPath: path })).rejects.toBeInstanceOf(PermissionDenied)
    await using conn = await connect(destination, { ...trusting, agentPath: path, agentIdentities: userLine })
    expect(conn.isClosed).toBe(false)
  })

  test('what the agent would not do is in the report', async () => {
    const { destination } = await embedded()
    const { path, ring } = await agentWith(userKey)
    const forgetting = () => {
      ring.keys.length = 0
      return true
    }
    // The key is gone between the list and the signature.
    const late = await embedded({
      serverFactory: () => ({ validatePublicKey: forgetting }),
      authorizedClientKeys: other.exportPublicKey(),
    })
    await expect(
      connect(late.destination, { ...trusting, agentPath: path, agentIdentities: userLine, identitiesOnly: true }),
    ).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('The agent was asked to sign, and refused'),
    })
    await expect(
      connect(destination, {
        ...trusting,
        agentPath: '/nowhere/agent',
        agentIdentities: userLine,
        identitiesOnly: true,
      }),
    ).rejects.toMatchObject({ message: expect.stringContaining('The agent at /nowhere/agent cannot be reached') })
  })
})

test('an agent that does not come for the key that let us in is given up by signal (R17)', async () => {
  const { server, destination } = await embedded()
  const controller = new AbortController()
  const options = { ...trusting, config: null, clientKeys: userKey, addKeysToAgent: true } as const
  const agentPath = () => {
    setImmediate(() => controller.abort(new Error('enough')))
    return new Promise<never>(() => {})
  }
  await expect(connect(destination, { ...options, agentPath, signal: controller.signal })).rejects.toMatchObject({
    code: 'ABORT_ERR',
    cause: { message: 'enough' },
  })
  await vi.waitFor(() => expect(server.connections.size).toBe(0))
})

/** Keeps what a client started until the test ends it. */
function held() {
  const processes: ServerProcess[] = []
  const factory = (process: ServerProcess) => void processes.push(process)
  const next = async (): Promise<ServerProcess> => {
    await vi.waitFor(() => expect(processes.length).toBeGreaterThan(0))
    return processes.shift() as ServerProcess
  }
  return { factory, next }
}

/** A server, a client with an agent, and a process of it. */
async function lending(listenOptions: Partial<ListenOptions>, options: ClientOptions = { agentForwarding: true }) {
  const { factory, next } = held()
  const { connect: logIn } = await embedded({ processFactory: factory, ...listenOptions })
  const agent = await agentWith(other, userKey)
  const conn = await logIn({ agentPath: agent.path, ...options })
  return { conn, agent, next }
}

const commentsAt = async (path: string | undefined): Promise<string[]> => {
  await using agent = await connectAgent(path ?? 'nowhere')
  return (await agent.listKeys()).map(({ comment }) => comment)
}

describe('an agent that is lent', () => {
  test('is at a socket of the process, for this user only, and gone with the session', async () => {
    const { conn, agent, next } = await lending({})
    const remote = await conn.createProcess('work')
    expect(remote.refused).toEqual([])
    const process = await next()
    const path = process.agentPath ?? ''
    expect(process.env.get('SSH_AUTH_SOCK')).toBe(path)
    if (globalThis.process.platform !== 'win32') {
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    }
    expect(await Promise.all([commentsAt(path), commentsAt(path)])).toEqual([
      ['other', 'user'],
      ['other', 'user'],
    ])
    process.exit(0)
    await remote.wait()
    await process.closed
    await vi.waitFor(() => expect(statSync(dirname(path), { throwIfNoEntry: false })).toBeUndefined())
    await vi.waitFor(() => expect(agent.open.size).toBe(0))
  })

  test('logs in onward, as often as it takes', async () => {
    const { conn, next } = await lending({})
    const onward = await embedded({
      authorizedClientKeys: other.exportPublicKey(),
      processFactory: (process) => process.exit(7),
    })
    const remote = await conn.createProcess('hop')
    const process = await next()
    for (const agentPath of [process, process.agentPath ?? '', () => process.openAgentConnection()]) {
      await using hop = await connect(onward.destination, { ...trusting, agentPath })
      expect((await hop.run('x')).exitStatus).toBe(7)
    }
    process.exit(0)
    await remote.wait()
    await process.closed
    await expect(process.openAgentConnection()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_NOT_LENT' })
  })

  test.for([
    ['by the option of the server', { agentForwarding: false }],
    ['by the key that let the user in', { authorizedClientKeys: `no-agent-forwarding ${userLine}` }],
    ['by restrict', { authorizedClientKeys: `restrict ${userLine}` }],
  ] as const)('may be refused %s, which is not fatal', async ([, options]) => {
    const { conn, agent, next } = await lending(options)
    const remote = await conn.createProcess('work')
    expect(remote.refused).toEqual([{ requestType: 'auth-agent-req@openssh.com' }])
    const process = await next()
    expect(process.agentPath).toBeUndefined()
    expect(process.env.has('SSH_AUTH_SOCK')).toBe(false)
    await expect(process.openAgentConnection()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_NOT_LENT' })
    expect(agent.connections()).toBe(0)
    process.exit(0)
    await remote.wait()
  })

  test('is lent to nobody who was not asked', async () => {
    const { conn, agent, next } = await lending({}, {})
    const remote = await conn.createProcess('work')
    expect(remote.refused).toEqual([])
    const process = await next()
    expect(process.agentPath).toBeUndefined()
    await expect(process.openAgentConnection()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_NOT_LENT' })
    expect(agent.connections()).toBe(0)
    process.exit(0)
    await remote.wait()
  })

  test('is lent to one process alone, or to all but one, or another one', async () => {
    const another = await agentWith(rsa)
    const { conn, next } = await lending({}, { agentForwarding: false })
    const seen: (string[] | undefined)[] = []
    const look = async (agentForwarding: boolean | string | undefined): Promise<void> => {
      const remote = await conn.createProcess('work', agentForwarding === undefined ? {} : { agentForwarding })
      const process = await next()
      seen.push(process.agentPath === undefined ? undefined : await commentsAt(process.agentPath))
      process.exit(0)
      await remote.wait()
    }
    for (const forwarding of [undefined, true, false, another.path]) await look(forwarding)
    expect(seen).toEqual([undefined, ['other', 'user'], undefined, ['rsa']])
    const named = await lending({}, { agentForwarding: another.path })
    const remote = await named.conn.createProcess('work')
    const process = await named.next()
    expect(await commentsAt(process.agentPath)).toEqual(['rsa'])
    process.exit(0)
    await remote.wait()
  })

  test('may be asked for what its filter lets through only (G16)', async () => {
    const agentFilter: AgentFilter = ({ type, publicKey }) =>
      type === 'requestIdentities' || (type === 'signRequest' && publicKey?.equals(userKey.publicKey) === true)
    const { conn, agent, next } = await lending({}, { agentForwarding: true, agentFilter })
    const remote = await conn.createProcess('work')
    const process = await next()
    await using borrowed = await connectAgent(process.agentPath)
    const [one, two] = await borrowed.listKeys()
    await expect(one?.sign(Buffer.from('x'))).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
    expect(userKey.publicKey.verify(Buffer.from('x'), (await two?.sign(Buffer.from('x'))) ?? new Uint8Array(0))).toBe(
      true,
    )
    await expect(borrowed.removeAll()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
    expect(agent.ring.keys).toHaveLength(2)
    await borrowed.close()
    process.exit(0)
    await remote.wait()
  })

  test.for([
    ['without a filter', {}],
    ['by a filter that lets all through', { agentFilter: () => true }],
  ] as const)('is not made to load libraries of its machine %s (G16)', async ([, options]) => {
    const { conn, agent, next } = await lending({}, { agentForwarding: true, ...options })
    const remote = await conn.createProcess('work')
    const process = await next()
    const socket = connectSocket(process.agentPath ?? '')
    const [, , , , , smartcard, , , , constrained, smartcardConstrained] = agentRequests.definitions
    const pin = new Uint8Array(0)
    const provider = new Writer().writeUtf8('sk-provider@openssh.com').writeUtf8('/usr/lib/evil.so').finish()
    const requests = [
      smartcard.encode({ readerId: '/usr/lib/evil.so', pin }),
      smartcardConstrained.encode({ readerId: '/usr/lib/evil.so', pin, constraints: Uint8Array.of(2) }),
      constrained.encode({ keyType: 'x', keyData: Buffer.concat([Uint8Array.of(255), provider]) }),
    ]
    socket.write(Buffer.concat(requests.map(framed)))
    const got: Buffer[] = []
    socket.on('data', (chunk) => got.push(chunk))
    const refusal = [0, 0, 0, 1, 5]
    await vi.waitFor(() => expect([...Buffer.concat(got)]).toEqual([...refusal, ...refusal, ...refusal]))
    // What adds a key and loads nothing gets there.
    await using borrowed = await connectAgent(process.agentPath)
    await borrowed.addKey(rsa, { confirm: true })
    const asked = [...agent.open].flatMap((scripted) => scripted.requests.map(({ type }) => type))
    expect(asked).toEqual(['addIdConstrained'])
    socket.destroy()
    process.exit(0)
    await remote.wait()
  })

  test('is not lent for files', async () => {
    const lent = vi.spyOn(ServerConnection.prototype, 'openAgentSocket')
    onTestFinished(() => lent.mockRestore())
    const { conn } = await lending({ sftpFactory: true })
    await using sftp = await conn.startSftpClient()
    expect(await sftp.exists('/nowhere/at/all')).toBe(false)
    expect(lent).not.toHaveBeenCalled()
  })

  test('leaves nothing behind when the client goes away in the middle', async () => {
    const { conn, next } = await lending({})
    await conn.createProcess('work')
    const process = await next()
    const path = process.agentPath ?? ''
    const agent = await connectAgent(path)
    await agent.listKeys()
    conn.abort()
    await process.closed
    await agent.closed.catch(() => {})
    await vi.waitFor(() => expect(statSync(dirname(path), { throwIfNoEntry: false })).toBeUndefined())
    await agent.close()
  })
})
