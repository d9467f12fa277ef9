/** ssh_config and sshd_config as OpenSSH reads them: what `ssh -G` and `sshd -T` print, and what we make of the same file. */

import { mkdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import {
  ConfigParseError,
  type PrintedConfig,
  printClientConfig,
  printServerConfig,
  readClientConfig,
  readServerConfig,
} from '@ssh/conn'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../../../testkit/src/index.js'
import { lacks, makeKey, mustRun, peer, runProgram, type TemporaryFolder, temporaryFolder } from '../../src/index.js'
import { type GeneratedConfig, generateClientConfig, generateServerConfig } from './generated-ssh-config.js'
import { trickyClientConfigs, trickyServerConfigs } from './tricky-configs.js'

/** Files compared of each kind. `CONFIG_FILES=2000 CONFIG_SEED=7` draws more, and others. */
const files = Number(process.env.CONFIG_FILES ?? 300)
const seed = process.env.CONFIG_SEED ?? 'ssh-config'

/** What a distribution or a build changes, and what only newer versions print. */
const notCompared = new Set([
  'forwardx11trusted',
  'gssapikexalgorithms',
  'channeltimeout',
  'obscurekeystroketiming',
  'unusedconnectiontimeout',
  'modulifile',
  'debianbanner',
  'versionaddendum',
  'xauthlocation',
])

/** Lists whose default is each program's own; those that a file sets are compared. */
const lists = new Set([
  'ciphers',
  'macs',
  'kexalgorithms',
  'hostkeyalgorithms',
  'pubkeyacceptedalgorithms',
  'hostbasedacceptedalgorithms',
  'casignaturealgorithms',
  'identityfile',
  'hostkey',
])

interface Printed {
  /** Undefined when the program refused the file. */
  readonly values: PrintedConfig | undefined
  readonly stderr: string
}

function parsePrinted(text: string): PrintedConfig {
  const printed = new Map<string, string[]>()
  for (const line of text.trimEnd().split('\n')) {
    const end = line.indexOf(' ')
    const keyword = (end === -1 ? line : line.slice(0, end)).toLowerCase()
    printed.set(keyword, [...(printed.get(keyword) ?? []), end === -1 ? '' : line.slice(end + 1)])
  }
  return printed
}

/** Fields that differ. */
function differences(theirs: PrintedConfig, ours: PrintedConfig, ignored: ReadonlySet<string>): string[] {
  return [...new Set([...theirs.keys(), ...ours.keys()])].flatMap((keyword) => {
    if (notCompared.has(keyword) || ignored.has(keyword)) return []
    const [their, our] = [theirs.get(keyword), ours.get(keyword)]
    if (lists.has(keyword) && our === undefined) return []
    if (JSON.stringify(their) === JSON.stringify(our)) return []
    return [`${keyword}: OpenSSH has ${JSON.stringify(their)}, we have ${JSON.stringify(our)}`]
  })
}

function write(folder: TemporaryFolder, { text, included }: GeneratedConfig): string {
  for (const [name, content] of included) folder.write(name, content)
  return folder.write('config', text)
}

function shown({ text, included }: GeneratedConfig): string {
  return [text, ...[...included].map(([name, content]) => `--- ${name}\n${content}`)].join('\n')
}

/** Works through items, several at once: half of the time is theirs. */
async function forAll<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items]
  const lane = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item)
  }
  await Promise.all([lane(), lane(), lane()])
}

describe.skipIf(lacks('ssh'))('ssh_config', () => {
  const { HOME } = process.env
  beforeAll(() => {
    // ssh goes by the list of users, and not by this variable.
    process.env.HOME = userInfo().homedir
    process.env.CONFIG_TEST = '/from/environment'
  })
  afterAll(() => {
    process.env.HOME = HOME
    delete process.env.CONFIG_TEST
  })

  async function askSsh(file: string, destination: string): Promise<Printed> {
    const { status, stdout, stderr } = await runProgram([peer('ssh'), '-G', '-F', file, destination])
    return { values: status === 0 ? parsePrinted(stdout.toString()) : undefined, stderr }
  }

  /** Undefined when we refuse the file, or leave a line out that ssh refuses. */
  async function askOurselves(file: string, destination: string): Promise<PrintedConfig | string> {
    try {
      const config = await readClientConfig(destination, { config: file })
      const unknown = config.warnings.find(({ message }) => message.includes('no keyword'))
      return unknown === undefined ? printClientConfig(config) : unknown.message
    } catch (error) {
      if (error instanceof ConfigParseError) return error.message
      throw error
    }
  }

  async function compare(file: string, destination: string, text: string): Promise<boolean> {
    const [theirs, ours] = await Promise.all([askSsh(file, destination), askOurselves(file, destination)])
    const about = `${destination} by\n${text}\n${theirs.stderr}`
    if (theirs.values === undefined) {
      // What ssh refuses in a part that does not apply, and nobody here needs to know, may pass.
      if (typeof ours !== 'string' && /Bad configuration option/.test(theirs.stderr)) return false
      expect(ours, about).toBeTypeOf('string')
      return false
    }
    if (typeof ours === 'string') throw new Error(`We refuse what ssh takes: ${ours}\n${about}`)
    expect(differences(theirs.values, ours, ignoredOf(theirs.values, text)), about).toEqual([])
    return true
  }

  /** Where Debian's ssh is not OpenSSH's, or prints what it does not mean. */
  function ignoredOf(theirs: PrintedConfig, text: string): ReadonlySet<string> {
    const ignored = new Set<string>()
    if (theirs.get('batchmode')?.[0] === 'yes') ignored.add('serveraliveinterval')
    // Printed beside those it should be among, when one end is a path.
    if (/localforward.*\//i.test(text)) ignored.add('dynamicforward')
    // Nobody could be asked in some of the sessions that the rest of the file makes.
    if (/updatehostkeys.*ask/i.test(text)) ignored.add('updatehostkeys')
    // "none" is -1 to it, which is also what it has when nothing was said.
    if (theirs.get('connecttimeout')?.[0] === 'none') ignored.add('connecttimeout')
    return ignored
  }

  test(`of ${files} generated files means to us what it means to ssh`, async () => {
    const hosts = ['alpha', 'beta.example.com', 'UPPER', '10.0.0.1', 'alice@alpha', 'x', '::1', 'bob@gamma.org']
    let accepted = 0
    const cases = Array.from({ length: files }, (_, index) => index)
    await forAll(cases, async (index) => {
      using folder = temporaryFolder()
      const config = generateClientConfig(seededRandom(`${seed} ${index}`), folder.path)
      const file = write(folder, config)
      if (await compare(file, hosts[index % hosts.length] ?? '', shown(config))) accepted++
    })
    // Most must be right, or there is little to compare.
    expect(accepted).toBeGreaterThan(files / 2)
  })

  test.for(trickyClientConfigs)('with %s means to us what it means to ssh', async ([, text, destination = 'alpha']) => {
    using folder = temporaryFolder()
    await compare(folder.write('config', text), destination, text)
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('sshd_config', () => {
  let folder: TemporaryFolder
  let hostKey: string
  beforeAll(async () => {
    folder = temporaryFolder()
    hostKey = (await makeKey(folder.path, 'host', 'ed25519')).path
    // Where the unprivileged half of sshd is locked in.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  })
  afterAll(() => folder?.remove())

  const clients = [
    { user: 'root', host: 'client.example.com', address: '10.0.0.1', localAddress: '127.0.0.1', localPort: 22 },
    { user: 'alice', host: '192.0.2.7', address: '192.0.2.7', localAddress: '::1', localPort: 2200 },
    { user: 'bob', host: 'x.example.com', address: '2001:db8::7', localAddress: '127.0.0.1', localPort: 2222 },
  ]
  let groups: readonly string[] = []
  beforeAll(async () => {
    groups = (await mustRun(['id', '-Gn', 'root'])).trim().split(' ')
  })

  async function askSshd(file: string, client: (typeof clients)[number]): Promise<Printed> {
    const { user, host, address, localAddress, localPort } = client
    const about = `user=${user},host=${host},addr=${address},laddr=${localAddress},lport=${localPort}`
    const argv = [peer('sshd'), '-T', '-f', file, '-h', hostKey, '-C', about]
    const { status, stdout, stderr } = await runProgram(argv)
    return { values: status === 0 ? parsePrinted(stdout.toString()) : undefined, stderr }
  }

  async function askOurselves(file: string, client: (typeof clients)[number]): Promise<PrintedConfig | string> {
    try {
      const config = await readServerConfig(file)
      // Nobody but root is sure to be a user here.
      const resolved = await config.resolve({ ...client, groups: client.user === 'root' ? groups : [] })
      const [unknown] = [...config.global.warnings, ...resolved.warnings]
      return unknown === undefined ? printServerConfig(resolved) : unknown.message
    } catch (error) {
      if (error instanceof ConfigParseError) return error.message
      throw error
    }
  }

  async function compare(file: string, client: (typeof clients)[number], text: string): Promise<boolean> {
    const [theirs, ours] = await Promise.all([askSshd(file, client), askOurselves(file, client)])
    const about = `${client.user} by\n${text}\n${theirs.stderr}`
    if (theirs.values === undefined) {
      // That nobody could log in is not a fault of a line.
      if (/Bad configuration option|cannot be satisfied/.test(theirs.stderr)) return false
      expect(ours, about).toBeTypeOf('string')
      return false
    }
    if (typeof ours === 'string') throw new Error(`We refuse what sshd takes: ${ours}\n${about}`)
    const sorted = (printed: PrintedConfig) =>
      new Map([...printed].map(([key, values]) => [key, key === 'listenaddress' ? [...values].sort() : values]))
    // Newer versions put quotes around words of a subsystem again.
    const differing = differences(sorted(theirs.values), sorted(ours), new Set())
    expect(differing, about).toEqual([])
    return true
  }

  test(`of ${files / 2} generated files means to us what it means to sshd`, async () => {
    let accepted = 0
    const cases = Array.from({ length: files / 2 }, (_, index) => index)
    await forAll(cases, async (index) => {
      using scratch = temporaryFolder()
      const config = generateServerConfig(seededRandom(`${seed} server ${index}`), scratch.path)
      const client = clients[index % clients.length]
      if (client !== undefined && (await compare(write(scratch, config), client, shown(config)))) accepted++
    })
    expect(accepted).toBeGreaterThan(files / 4)
  })

  test.for(trickyServerConfigs)('with %s means to us what it means to sshd', async ([, text]) => {
    const [client] = clients
    if (client === undefined) throw new Error('There is a client to ask about')
    await compare(folder.write('config', text), client, text)
  })
})
