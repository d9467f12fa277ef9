/** Agents: ours speaks to OpenSSH's, and keys are lent and used through other people's clients and servers. */

import { readFileSync } from 'node:fs'
import {
  type AgentClient,
  type ClientOptions,
  connect,
  connectAgent,
  type GeneratedKeyAlgorithm,
  generatePrivateKey,
  importPrivateKey,
  importPublicKey,
  PermissionDenied,
  type RunOptions,
  type ServerProcess,
} from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  canServeDropbear,
  certify,
  connectTo,
  dbclient,
  type ForeignServer,
  type KeyFile,
  knownHostsOf,
  lacks,
  makeKey,
  peer,
  plink,
  runInShell,
  type SshAgent,
  ssh,
  startDropbear,
  startSdkServer,
  startSshAgent,
  startSshd,
  temporaryFolder,
} from '../src/index.js'

/** Shows where a program finds an agent. */
const showAgent = 'env | grep ^SSH_AUTH_SOCK= || echo none'
const data = Buffer.from('what is signed')

async function agentOf(confirms = false): Promise<{ readonly foreign: SshAgent; readonly agent: AgentClient }> {
  const foreign = await startSshAgent({ confirms })
  onTestFinished(() => foreign.stop())
  const agent = await connectAgent(foreign.path)
  onTestFinished(() => agent.close())
  return { foreign, agent }
}

describe.skipIf(lacks('ssh-agent', 'ssh-add', 'ssh-keygen'))('ssh-agent', () => {
  const types: readonly GeneratedKeyAlgorithm[] = [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'ssh-rsa',
  ]

  test.for(types)('takes a key of type %s from us, lists it, signs with it and gives it up', async (type) => {
    const { foreign, agent } = await agentOf()
    const key = await generatePrivateKey(type, { comment: 'of ours' })
    await agent.addKey(key)
    expect(await foreign.fingerprints()).toEqual([key.getFingerprint()])
    const [listed] = await agent.listKeys()
    expect(listed).toMatchObject({ algorithm: type, comment: 'of ours' })
    for (const algorithm of listed?.signatureAlgorithms ?? []) {
      // SHA-1 is up to the agent; those that still do it do it right.
      const signature = await listed?.sign(data, algorithm).catch((error: unknown) => {
        if (algorithm !== 'ssh-rsa') throw error
      })
      if (signature) expect(key.publicKey.verify(data, signature, algorithm), algorithm).toBe(true)
    }
    await agent.removeKey(key.publicKey)
    expect(await foreign.fingerprints()).toEqual([])
    await expect(agent.removeKey(key.publicKey)).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
  })

  test.for(['ed25519', 'ecdsa', 'rsa'] as const)('shows us the %s keys that ssh-add gave it', async (type) => {
    const { foreign, agent } = await agentOf()
    using folder = temporaryFolder()
    const file = await makeKey(folder.path, 'key', type, { comment: 'theirs' })
    expect((await foreign.sshAdd([file.path])).status).toBe(0)
    const [key] = await agent.listKeys()
    expect(key?.comment).toBe('theirs')
    expect(key?.publicKey.equals(importPublicKey(file.publicLine))).toBe(true)
    expect(importPublicKey(file.publicLine).verify(data, (await key?.sign(data)) ?? data)).toBe(true)
    await agent.removeAll()
    expect(await foreign.fingerprints()).toEqual([])
  })

  test('forgets a key when its lifetime is over, and says how long that is', async () => {
    const { foreign, agent } = await agentOf()
    const key = await generatePrivateKey('ssh-ed25519')
    await agent.addKey(key, { lifetime: '1s', comment: 'soon gone' })
    expect((await agent.listKeys()).map(({ comment }) => comment)).toEqual(['soon gone'])
    await vi.waitFor(async () => expect(await foreign.fingerprints()).toEqual([]), { timeout: 10_000, interval: 100 })
  })

  test.for([true, false])('asks its user about a key that wants it, who says %j', async (confirms) => {
    const { agent } = await agentOf(confirms)
    const key = await generatePrivateKey('ssh-ed25519')
    await agent.addKey(key, { confirm: true })
    const signing = agent.sign(key.publicKey, data)
    if (confirms) expect(key.publicKey.verify(data, await signing)).toBe(true)
    else await expect(signing).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
  })

  test('is locked by us and unlocked by ssh-add, and the other way round', async () => {
    const { foreign, agent } = await agentOf()
    const key = await generatePrivateKey('ssh-ed25519')
    await agent.addKey(key)
    await agent.lock('open sésame')
    expect(await foreign.fingerprints()).toEqual([])
    expect(await agent.listKeys()).toEqual([])
    await expect(agent.sign(key.publicKey, data)).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
    await expect(agent.lock('again')).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
    await expect(agent.unlock('wrong')).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
    expect((await foreign.sshAdd(['-X'], 'open sésame')).status).toBe(0)
    expect(await agent.listKeys()).toHaveLength(1)
    expect((await foreign.sshAdd(['-x'], 'theirs')).status).toBe(0)
    expect(await agent.listKeys()).toEqual([])
    await agent.unlock('theirs')
    expect(await foreign.fingerprints()).toEqual([key.getFingerprint()])
  })

  test('tells its extensions, or that it cannot', async () => {
    const { agent } = await agentOf()
    for (const name of await agent.queryExtensions()) expect(name).toMatch(/^[\x21-\x7e]+$/)
    expect(await agent.listKeys()).toEqual([])
  })

  test('that ends is noticed', async () => {
    const { foreign, agent } = await agentOf()
    await agent.listKeys()
    await foreign.stop()
    await agent.closed.catch(() => {})
    await expect(agent.listKeys()).rejects.toMatchObject({ name: 'AgentError' })
    await expect(connectAgent(foreign.path)).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_UNAVAILABLE' })
  })
})

describe.skipIf(lacks('sshd', 'ssh-agent', 'ssh-add', 'ssh-keygen'))('with sshd', () => {
  const folder = temporaryFolder()
  const keys = new Map<string, KeyFile>()
  let certified: KeyFile
  let sealed: KeyFile
  let server: ForeignServer
  let agent: SshAgent
  beforeAll(async () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) keys.set(type, await makeKey(folder.path, type, type))
    sealed = await makeKey(folder.path, 'sealed', 'ed25519', { passphrase: 'a phrase' })
    certified = await makeKey(folder.path, 'certified', 'rsa')
    const authority = await makeKey(folder.path, 'authority', 'ed25519')
    server = await startSshd({
      authorizedKeys: [
        ...[...keys.values(), sealed].map(({ publicLine }) => publicLine),
        `cert-authority ${authority.publicLine}`,
      ],
      config: { MaxAuthTries: 3 },
    })
    await certify(authority.path, certified.path, server.username)
    agent = await startSshAgent()
    for (const { path } of keys.values()) await agent.sshAdd(['-q', path])
  })
  afterAll(async () => {
    await agent?.stop()
    await server?.stop()
    folder.remove()
  })

  /** Logs in with nothing but what the options say. */
  async function whoAmI(options: ClientOptions): Promise<string> {
    const { host, port, username } = server
    await using conn = await connect(
      { host, port, username },
      { config: null, knownHosts: knownHostsOf(server), ...options },
    )
    return (await conn.run('id -un', { check: true })).stdout.trim()
  }
  const onlyAgent = (options: ClientOptions): ClientOptions => ({
    agentPath: agent.path,
    identitiesOnly: true,
    ...options,
  })

  test.for(['ed25519', 'ecdsa', 'rsa'])('a key of type %s that only the agent has lets in', async (type) => {
    const { publicLine, path } = keys.get(type) ?? certified
    for (const agentIdentities of [publicLine, `${path}.pub`, importPublicKey(publicLine)]) {
      expect(await whoAmI(onlyAgent({ agentIdentities }))).toBe(server.username)
    }
  })

  test.for(['rsa-sha2-512', 'rsa-sha2-256'])("the agent's RSA key signs by %s", async (name) => {
    const agentIdentities = keys.get('rsa')?.publicLine ?? ''
    expect(await whoAmI(onlyAgent({ agentIdentities, signatureAlgs: [name] }))).toBe(server.username)
  })

  test("all of the agent's keys are offered where nothing is named, and SSH_AUTH_SOCK says where", async () => {
    vi.stubEnv('SSH_AUTH_SOCK', agent.path)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await whoAmI({})).toBe(server.username)
  })

  test('an encrypted key file is signed with by the agent that holds the key', async () => {
    using other = temporaryFolder()
    await using holder = await startSshAgent()
    const inAgent = await connectAgent(holder.path)
    await inAgent.addKey(await importPrivateKey(readFileSync(sealed.path), { passphrase: 'a phrase' }))
    await inAgent.close()
    expect(await whoAmI({ clientKeys: sealed.path, agentPath: holder.path })).toBe(server.username)
    expect(await whoAmI({ clientKeys: other.write('half.pub', sealed.publicLine), agentPath: holder.path })).toBe(
      server.username,
    )
    await expect(whoAmI({ clientKeys: sealed.path, agentPath: agent.path })).rejects.toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_MISSING',
    })
  })

  test('a certificate that ssh-add put into the agent lets in', async () => {
    await using holder = await startSshAgent()
    expect((await holder.sshAdd(['-q', certified.path])).status).toBe(0)
    const inAgent = await connectAgent(holder.path)
    expect((await inAgent.listKeys()).map(({ algorithm }) => algorithm).sort()).toEqual([
      'ssh-rsa',
      'ssh-rsa-cert-v01@openssh.com',
    ])
    await inAgent.close()
    expect(await whoAmI({ agentPath: holder.path })).toBe(server.username)
  })

  test('keys that are not let in use up the attempts, and agentIdentities spares them (trap 14)', async () => {
    await using crowded = await startSshAgent()
    const inAgent = await connectAgent(crowded.path)
    for (let count = 0; count < 4; count++) await inAgent.addKey(await generatePrivateKey('ssh-ed25519'))
    await inAgent.close()
    const right = keys.get('ed25519')
    await crowded.sshAdd(['-q', right?.path ?? ''])
    await expect(whoAmI({ agentPath: crowded.path })).rejects.toBeInstanceOf(PermissionDenied)
    expect(await whoAmI({ agentPath: crowded.path, agentIdentities: right?.publicLine ?? '' })).toBe(server.username)
  })

  test('programs on the server use the agent that is lent to them, as often as they like', async () => {
    const expected = await agent.fingerprints()
    expect(expected).toHaveLength(3)
    const list = `${peer('ssh-add')} -l`
    const lent: readonly [ClientOptions, Pick<RunOptions, 'agentForwarding'>][] = [
      [{ agentPath: agent.path, agentForwarding: true }, {}],
      [{ agentForwarding: agent.path }, {}],
      [{ agentPath: agent.path }, { agentForwarding: true }],
      [{}, { agentForwarding: agent.path }],
    ]
    for (const [options, processOptions] of lent) {
      await using conn = await connectTo(server, { agentPath: null, ...options })
      // The second time the server refuses the request, and shows the agent all the same.
      for (const command of [list, `${list}; ${list}`]) {
        const { stdout } = await conn.run(command, processOptions)
        expect(new Set(stdout.match(/SHA256:\S+/g))).toEqual(new Set(expected))
      }
    }
  })

  test('programs on the server have no agent when none is lent, or none is lent any more', async () => {
    const list = `${peer('ssh-add')} -l`
    await using conn = await connectTo(server, { agentPath: agent.path })
    expect((await conn.run(list)).exitStatus).toBe(2)
    expect((await conn.run(list, { agentForwarding: true })).exitStatus).toBe(0)
    const after = await conn.run(list)
    expect(after.exitStatus).not.toBe(0)
    expect(after.stdout).not.toContain('SHA256:')
  })

  test('a server that allows no lending says so, and the program runs', async () => {
    const strict = await startSshd({ config: { AllowAgentForwarding: 'no' } })
    onTestFinished(() => strict.stop())
    await using conn = await connectTo(strict, { agentPath: agent.path, agentForwarding: true })
    const remote = await conn.createProcess(showAgent)
    expect(remote.refused).toEqual([{ requestType: 'auth-agent-req@openssh.com' }])
    expect((await remote.wait()).stdout).toBe('none\n')
  })

  test('ssh -A lends its agent to programs of our server, and our server logs in onward by it', async () => {
    const hop = async (process: ServerProcess): Promise<void> => {
      if (process.command !== 'hop') return runInShell(process)
      const { host, port, username } = server
      const options = { config: null, knownHosts: knownHostsOf(server), agentPath: process, clientKeys: undefined }
      await using conn = await connect({ host, port, username }, options)
      const { stdout } = await conn.run('id -un', { check: true })
      process.stdout.write(stdout)
      process.exit(0)
    }
    await using ours = await startSdkServer({ processFactory: hop })
    const config = { IdentityAgent: agent.path, ForwardAgent: 'yes' }
    const listed = await ssh(ours, `${peer('ssh-add')} -l`, { config })
    expect(listed.stdout.toString().match(/SHA256:\S+/g), listed.stderr).toEqual(await agent.fingerprints())
    const onward = await ssh(ours, 'hop', { config })
    expect(onward.stdout.toString().trim(), onward.stderr).toBe(server.username)
    const without = await ssh(ours, showAgent, { config: { IdentityAgent: agent.path } })
    expect(without.stdout.toString()).not.toContain('ssh-agent-')
  })

  test('our client lends its agent to our server, over which OpenSSH logs in onward', async () => {
    await using ours = await startSdkServer()
    await using conn = await connectTo(ours, { agentPath: agent.path, agentForwarding: true })
    const known = folder.write('known_hosts', knownHostsOf(server))
    const command = [
      peer('ssh'),
      ...['-F', 'none', '-p', String(server.port), '-o', `UserKnownHostsFile=${known}`, '-o', 'BatchMode=yes'],
      ...['-o', 'IdentityFile=none', `${server.username}@${server.host}`, 'id -un'],
    ]
    const { stdout, stderr } = await conn.run(command)
    expect(stdout.trim(), stderr).toBe(server.username)
  })

  test.skipIf(lacks('dbclient'))('dbclient -A lends its agent to programs of our server', async () => {
    await using ours = await startSdkServer()
    const env = { SSH_AUTH_SOCK: agent.path }
    const { stdout, stderr } = await dbclient(ours, `${peer('ssh-add')} -l`, { env, extraArguments: ['-A'] })
    expect(stdout.toString().match(/SHA256:\S+/g), stderr).toEqual(await agent.fingerprints())
  })

  test.skipIf(lacks('plink', 'puttygen'))('plink -A lends its agent to programs of our server', async () => {
    await using ours = await startSdkServer()
    const env = { SSH_AUTH_SOCK: agent.path }
    const { stdout, stderr } = await plink(ours, `${peer('ssh-add')} -l`, { env, extraArguments: ['-agent', '-A'] })
    expect(stdout.toString().match(/SHA256:\S+/g), stderr).toEqual(await agent.fingerprints())
  })

  test.skipIf(lacks('dropbear') || !canServeDropbear())('programs on Dropbear use the agent that is lent', async () => {
    await using dropbear = await startDropbear()
    await using conn = await connectTo(dropbear, { agentPath: agent.path, agentForwarding: true })
    const { stdout, stderr } = await conn.run(`${peer('ssh-add')} -l`)
    expect(stdout.match(/SHA256:\S+/g), stderr).toEqual(await agent.fingerprints())
  })
})
