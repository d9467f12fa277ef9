import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKey, type Signer } from '@ssh/crypto'
import { fromDuplex } from '@ssh/streams'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type ClientKeyOptions, ClientKeys } from '../../src/client/client-keys.js'
import { LoginAgent } from '../../src/client/login-agent.js'
import { type Answer, KeyRing, replies, ScriptedAgent, strangeBlob } from '../agent/scripted-agent.js'
import { streamPair } from '../loopback.js'

const first = await generatePrivateKey('ssh-ed25519', { comment: 'first' })
const second = await generatePrivateKey('ssh-ed25519', { comment: 'second' })
const third = await generatePrivateKey('ecdsa-sha2-nistp256', { comment: 'third' })
const names = new Map<string, string>([first, second, third].map((key) => [key.getFingerprint(), key.comment]))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ssh-keys-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

/** What `~` is for one test, so that it sees no keys of whoever runs it. */
async function atHome(files: Readonly<Record<string, string>>): Promise<void> {
  const home = await mkdtemp(join(folder, 'home-'))
  await mkdir(join(home, '.ssh'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(home, '.ssh', name), content)
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
  onTestFinished(() => void vi.unstubAllEnvs())
}

interface Setup {
  readonly keys: ClientKeys
  /** Agents that were connected to. */
  readonly agents: ScriptedAgent[]
  readonly login: LoginAgent
}

async function prepared(options: ClientKeyOptions, answer: Answer = new KeyRing().answer): Promise<Setup> {
  const agents: ScriptedAgent[] = []
  const agentPath = () => {
    const [near, far] = streamPair()
    agents.push(new ScriptedAgent(fromDuplex(far), answer))
    return near
  }
  const all = { agentPath, ...options }
  const login = new LoginAgent(all.agentPath)
  onTestFinished(() => login.close())
  return { keys: await ClientKeys.prepare(all, login), agents, login }
}

const nameOf = (signer: Signer): string =>
  `${names.get(signer.publicKey.getFingerprint()) ?? signer.publicKey.algorithm}${'comment' in signer && !('convertToPublic' in signer) ? ' (agent)' : ''}`

/** Keys as they are offered, and why others are not. */
async function story(keys: ClientKeys): Promise<string[]> {
  const told: string[] = []
  for await (const key of keys.all()) told.push('signer' in key ? nameOf(key.signer) : `no: ${key.skipped}`)
  return told
}

const text = (key: PrivateKey, passphrase?: string) =>
  key.exportPrivateKey('openssh', passphrase === undefined ? {} : { passphrase, rounds: 1 })

describe('a user who names nothing', () => {
  test("offers the agent's keys, and then those of the usual files", async () => {
    await atHome({ id_ed25519: await text(second) })
    const { keys, agents } = await prepared({}, new KeyRing(first, third).answer)
    expect(agents).toHaveLength(0)
    expect(keys.hasAny).toBe(true)
    expect(await story(keys)).toEqual(['first (agent)', 'third (agent)', 'second'])
    expect(await story(keys)).toEqual(['first (agent)', 'third (agent)', 'second'])
    expect(agents).toHaveLength(1)
  })

  test('offers those first that are in the usual files too, or in those of ssh_config: servers take few (trap 14)', async () => {
    const agent = new KeyRing(first, second, third).answer
    await atHome({ id_ecdsa: await text(third, 'secret'), 'id_ed25519.pub': second.exportPublicKey() })
    const { keys } = await prepared({}, agent)
    expect((await story(keys)).slice(0, 3)).toEqual(['second (agent)', 'third (agent)', 'first (agent)'])
    const identityFiles = [await file('work.pub', third.exportPublicKey())]
    const configured = await prepared({ identityFiles }, agent)
    expect((await story(configured.keys)).slice(0, 3)).toEqual(['third (agent)', 'first (agent)', 'second (agent)'])
  })

  test('asks nobody for the passphrase of a key that the agent holds', async () => {
    await atHome({ id_ed25519: await text(first, 'secret'), id_ecdsa: await text(third, 'secret') })
    const passphrase = vi.fn(() => 'secret')
    const { keys } = await prepared({ passphrase }, new KeyRing(first).answer)
    expect(await story(keys)).toEqual(['first (agent)', 'first (agent)', 'third'])
    expect(passphrase).toHaveBeenCalledExactlyOnceWith('~/.ssh/id_ecdsa')
  })

  test('hears why a key is not offered', async () => {
    await atHome({ id_ed25519: await text(second, 'secret'), id_rsa: 'what is this' })
    const answer: Answer = (request) =>
      request.type === 'requestIdentities' ? replies.identities([strangeBlob('ssh-dss'), '']) : replies.failure
    const { keys } = await prepared({}, answer)
    expect(await story(keys)).toEqual([
      expect.stringMatching(/^no: the agent's key SHA256:\S+ is of type ssh-dss, which cannot log in here$/),
      expect.stringMatching(/^no: ~\/\.ssh\/id_ed25519: .*passphrase/),
      expect.stringMatching(/^no: ~\/\.ssh\/id_rsa: /),
    ])
  })

  test.for([
    ['is not there', undefined, 'no: There is no agent: SSH_AUTH_SOCK is not set'],
    ['cannot be reached', '/nowhere/agent', 'no: The agent at /nowhere/agent cannot be reached'],
    ['breaks off', () => Promise.reject(new Error('no luck')), 'no: The agent of agentPath cannot be reached: no luck'],
  ] as const)('goes on with the files when the agent %s', async ([, agentPath, reason]) => {
    vi.stubEnv('SSH_AUTH_SOCK', '')
    await atHome({ id_ed25519: await text(second) })
    const { keys } = await prepared({ agentPath })
    const [why, ...others] = await story(keys)
    expect(why).toContain(process.platform === 'win32' ? 'no: ' : reason)
    expect(others).toEqual(['second'])
  })

  test.for([
    ['refuses', replies.failure, 'no: The agent was asked to list its keys, and refused'],
    ['holds nothing', replies.identities(), 'no: the agent holds no keys, or is locked'],
    [
      'does not follow the protocol',
      replies.success,
      'no: The agent does not follow the protocol: it answered success',
    ],
  ] as const)('goes on with the files when the agent %s', async ([, reply, reason]) => {
    await atHome({ id_ed25519: await text(second) })
    const { keys } = await prepared({}, () => reply)
    const [why, ...others] = await story(keys)
    expect(why).toContain(reason)
    expect(others).toEqual(['second'])
  })

  test('has the agent left alone by null, and everything by clientKeys: null', async () => {
    await atHome({ id_ed25519: await text(second) })
    expect(await story((await prepared({ agentPath: null })).keys)).toEqual(['second'])
    const { keys, agents } = await prepared(
      { clientKeys: null, agentIdentities: first.publicKey },
      new KeyRing(first).answer,
    )
    expect(keys.hasAny).toBe(false)
    expect(await story(keys)).toEqual([])
    expect(agents).toEqual([])
  })
})

describe('agentIdentities', () => {
  test.for([
    ['a key object', async () => third.publicKey],
    ['a private key', async () => third],
    ['a line of text', async () => third.exportPublicKey()],
    ['bytes', async () => Buffer.from(third.exportPublicKey())],
    ['the path of a .pub file', () => file('third.pub', third.exportPublicKey())],
    [
      'the path of a key beside its .pub file',
      async () => (await file('third.pub', third.exportPublicKey())).replace(/\.pub$/, ''),
    ],
    ['the path of an encrypted private key', async () => file('third_sealed', await text(third, 'secret'))],
  ] as const)('takes %s', async ([, make]) => {
    await atHome({ id_ed25519: await text(second) })
    const { keys } = await prepared({ agentIdentities: [await make()] }, new KeyRing(first, third).answer)
    expect(await story(keys)).toEqual(['third (agent)', 'second'])
  })

  test('come in their own order, and one that the agent lacks is told', async () => {
    await atHome({})
    const { keys } = await prepared(
      { agentIdentities: [third.publicKey, second.publicKey, first.publicKey], identitiesOnly: true },
      new KeyRing(first, third).answer,
    )
    expect(await story(keys)).toEqual([
      'third (agent)',
      `no: the agent does not hold ${second.getFingerprint()}`,
      'first (agent)',
    ])
  })

  test('are offered before the keys of clientKeys', async () => {
    const { keys } = await prepared(
      { clientKeys: second, agentIdentities: first.publicKey },
      new KeyRing(first, third).answer,
    )
    expect(await story(keys)).toEqual(['first (agent)', 'second'])
    expect(keys.onlyKey).toBeUndefined()
  })

  test('that are no key fail before anything is sent', async () => {
    await expect(prepared({ agentIdentities: join(folder, 'nowhere') })).rejects.toMatchObject({
      name: 'KeyImportError',
      message: expect.stringContaining('agentIdentities needs one'),
    })
    await expect(prepared({ agentIdentities: Buffer.from('nothing') })).rejects.toMatchObject({
      name: 'KeyImportError',
    })
  })
})

describe('identitiesOnly', () => {
  test('lets the agent sign with the usual keys, but offers none of its others', async () => {
    await atHome({
      id_ed25519: await text(first, 'secret'),
      'id_ecdsa.pub': third.exportPublicKey(),
    })
    const { keys } = await prepared({ identitiesOnly: true }, new KeyRing(second, third, first).answer)
    expect(await story(keys)).toEqual(['first (agent)', 'third (agent)'])
  })

  test('asks no agent where the files do', async () => {
    await atHome({ id_ed25519: await text(second) })
    const { keys, agents } = await prepared({ identitiesOnly: true }, new KeyRing(first).answer)
    expect(await story(keys)).toEqual(['second'])
    expect(agents).toEqual([])
  })
})

describe('clientKeys', () => {
  test('leave the agent alone when they can be used as they are', async () => {
    const { keys, agents } = await prepared({ clientKeys: [first, await text(second)] }, new KeyRing(third).answer)
    expect(await story(keys)).toEqual(['first', 'second'])
    expect(agents).toEqual([])
  })

  test.for([
    ['encrypted', async () => file('sealed', await text(first, 'secret'))],
    ['encrypted, as text', () => text(first, 'secret')],
    ['a .pub file', () => file('only.pub', first.exportPublicKey())],
    ['not there, but its .pub is', async () => (await file('half.pub', first.exportPublicKey())).replace(/\.pub$/, '')],
  ] as const)("are the agent's where the file is %s", async ([, make]) => {
    const { keys, agents } = await prepared({ clientKeys: [await make()] }, new KeyRing(third, first).answer)
    expect(await story(keys)).toEqual(['first (agent)'])
    expect(keys.onlyKey?.signatureAlgorithms).toEqual(['ssh-ed25519'])
    expect(agents).toHaveLength(1)
  })

  test('ask for a passphrase only when the agent does not hold the key', async () => {
    const passphrase = vi.fn(() => 'secret')
    const paths = [await file('one', await text(first, 'secret')), await file('two', await text(second, 'secret'))]
    const { keys } = await prepared({ clientKeys: paths, passphrase }, new KeyRing(first).answer)
    expect(await story(keys)).toEqual(['first (agent)', 'second'])
    expect(passphrase).toHaveBeenCalledExactlyOnceWith(paths[1])
  })

  test('are opened with a passphrase that is given, without the agent', async () => {
    const path = await file('three', await text(first, 'secret'))
    const { keys, agents } = await prepared({ clientKeys: path, passphrase: 'secret' }, new KeyRing(first).answer)
    expect(await story(keys)).toEqual(['first'])
    expect(agents).toEqual([])
    await expect(prepared({ clientKeys: path, passphrase: 'wrong' }, new KeyRing(first).answer)).rejects.toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
    })
  })

  test('that nobody can use fail before anything is sent, and say what the agent said', async () => {
    const path = await file('four', await text(first, 'secret'))
    await expect(prepared({ clientKeys: path }, new KeyRing(second).answer)).rejects.toMatchObject({
      name: 'KeyEncryptionError',
      code: 'ERR_SSH_KEY_PASSPHRASE_MISSING',
      message: expect.stringMatching(/four: .*\(the agent does not hold this key either\)$/),
      details: { file: path },
    })
    await expect(prepared({ clientKeys: path, agentPath: '/nowhere/agent' })).rejects.toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_MISSING',
      message: expect.stringMatching(/\(The agent at \/nowhere\/agent cannot be reached: /),
    })
    const publicKey = await file('five.pub', first.exportPublicKey())
    await expect(prepared({ clientKeys: publicKey }, new KeyRing().answer)).rejects.toMatchObject({
      name: 'KeyImportError',
    })
    await expect(prepared({ clientKeys: join(folder, 'nowhere') })).rejects.toMatchObject({ name: 'KeyImportError' })
  })
})

test('the agent is let go when the login is over, also one that does not answer', async () => {
  await atHome({})
  const silent = await prepared({}, () => undefined)
  const offered = story(silent.keys)
  await vi.waitFor(() => expect(silent.agents[0]?.requests).toHaveLength(1))
  silent.login.close()
  expect((await offered)[0]).toMatch(/^no: /)
  await vi.waitFor(() => expect(silent.agents[0]?.isEnded).toBe(true))
})
