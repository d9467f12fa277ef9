/** SCP with other people's programs: OpenSSH's and PuTTY's clients on our server, our scp() on sshd and Dropbear. */

import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scp as ourScp, type ScpOptions, type SftpProgress, type SshClientConnection } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  canMount,
  canServeDropbear,
  connectTo,
  type ForeignServer,
  lacks,
  type ProgramResult,
  pscp,
  runProgram,
  type SdkServer,
  scp,
  startDropbear,
  startSdkServer,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../src/index.js'

const hasDisks = await canMount()

const large = randomBytes(6 << 20)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Names that a shell would read otherwise, in a form that `fs` takes. */
const awkwardNames: readonly Buffer[] = [
  'a b',
  ' leading',
  "it's",
  'say "hi"',
  '$HOME',
  '`id`',
  'a;b',
  'a&b|c',
  '(x)',
  '#x',
  '~x',
  'a>b',
  'ü',
  '😀',
  'tab\there',
  '\x1b[31m',
]
  .map((name) => Buffer.from(name))
  .concat(Buffer.from('\xff\xfe bytes', 'latin1'))

/** Names that are patterns as well. */
const patternNames: readonly Buffer[] = ['a*', '[x]', 'what?', '{a,b}'].map((name) => Buffer.from(name))

/** Content of a name, told apart by its bytes. */
const contentOf = (name: Buffer): string => `of ${name.toString('hex')}`

function pathOf(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name])
}

/** What is in a tree: names, modes of files, whole seconds of times, contents. */
function treeOf(root: string | Buffer, prefix = ''): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const name of readdirSync(root, { encoding: 'buffer' }).sort(Buffer.compare)) {
    const path = Buffer.concat([Buffer.from(root), Buffer.from('/'), name])
    const stats = statSync(path)
    const shown = `${prefix}/${name.toString('latin1')}`
    const content = stats.isDirectory() ? 'directory' : hash(readFileSync(path))
    found[shown] = [stats.mode & 0o777, Math.floor(stats.mtimeMs / 1000), content]
    if (stats.isDirectory()) Object.assign(found, treeOf(path, shown))
  }
  return found
}

/** A tree with something of everything. @param more names for further files */
function makeTree(root: string, more: readonly Buffer[] = []): void {
  mkdirSync(join(root, 'sub dir/deeper'), { recursive: true })
  writeFileSync(join(root, 'large'), large)
  writeFileSync(join(root, 'empty'), '')
  writeFileSync(join(root, 'sub dir/script'), 'run')
  for (const name of more) writeFileSync(pathOf(join(root, 'sub dir'), name), contentOf(name))
  chmodSync(join(root, 'sub dir/script'), 0o755)
  chmodSync(join(root, 'empty'), 0o600)
  for (let index = 0; index < 200; index++)
    writeFileSync(join(root, 'sub dir/deeper', `f${index}`), `${index}`.repeat(index))
  for (const name of ['large', 'empty', 'sub dir/script', 'sub dir/deeper', 'sub dir'])
    utimesSync(join(root, name), 1e9, 1.1e9)
}

const said = ({ status, stderr }: ProgramResult): unknown => [status, stderr.replace(/^\*\*.*$/gm, '').trim()]

describe.skipIf(lacks('scp', 'ssh-keygen'))('clients on our server', () => {
  let server: SdkServer
  let here: TemporaryFolder
  beforeAll(async () => {
    server = await startSdkServer({ allowScp: true, processFactory: (process) => process.exit(66) })
  })
  beforeAll(() => {
    here = temporaryFolder()
    mkdirSync(join(here.path, 'tree'))
    makeTree(join(here.path, 'tree'), [...awkwardNames, ...patternNames])
  })
  afterAll(async () => {
    await server?.stop()
    here?.remove()
  })

  describe.each([
    ['scp -O', ['-O']],
    ['scp', ['-s']],
  ] as const)('OpenSSH %s', (mode, flags) => {
    const place = `openssh${mode.length}`
    const run = (paths: (remote: (path: string) => string) => readonly string[], ...more: string[]) =>
      scp(server, paths, { extraArguments: [...flags, ...more] })

    test('puts and gets trees, with their modes and times', async () => {
      const [remote, back] = [join(server.folder, place), join(here.path, place)]
      expect(said(await run((at) => [join(here.path, 'tree'), at(remote)], '-r', '-p'))).toEqual([0, ''])
      expect(treeOf(remote)).toEqual(treeOf(join(here.path, 'tree')))
      expect(said(await run((at) => [at(remote), back], '-r', '-p'))).toEqual([0, ''])
      expect(treeOf(back)).toEqual(treeOf(join(here.path, 'tree')))
    })

    test('gets what a pattern matches', async () => {
      const into = join(here.path, `${place}-some`)
      mkdirSync(into)
      const remote = join(server.folder, place, 'sub dir/deeper')
      expect(
        said(await run((at) => [at(`${mode === 'scp' ? remote : remote.replace(' ', '\\ ')}/f1[0-4]`), into])),
      ).toEqual([0, ''])
      expect(readdirSync(into).sort()).toEqual(['f10', 'f11', 'f12', 'f13', 'f14'])
    })

    test('puts several files into a directory, and hears when it is none', async () => {
      const sources = [join(here.path, 'tree/large'), join(here.path, 'tree/empty')]
      mkdirSync(join(server.folder, `${place}-several`))
      expect(said(await run((at) => [...sources, at(join(server.folder, `${place}-several`))]))).toEqual([0, ''])
      expect(readdirSync(join(server.folder, `${place}-several`)).sort()).toEqual(['empty', 'large'])
      const { status, stderr } = await run((at) => [...sources, at(join(server.folder, `${place}-several/empty`))])
      expect(status).toBeGreaterThan(0)
      expect(stderr).toMatch(mode === 'scp' ? /remote mkdir .*: Failure/ : /[Nn]ot a directory/)
    })

    test('hears of what is not there, and gets the rest', async () => {
      const into = join(here.path, `${place}-rest`)
      mkdirSync(into)
      const { status, stderr } = await run((at) => [
        at(`${server.folder}/none`),
        at(`${server.folder}/${place}/large`),
        into,
      ])
      expect([status, stderr]).toEqual([1, expect.stringContaining('No such file or directory')])
      expect(readdirSync(into)).toEqual(['large'])
    })

    test('copies from our server to another of ours, through itself', async () => {
      await using other = await startSdkServer({ allowScp: true })
      const config = { IdentityFile: other.clientKey.path }
      const from = `scp://${server.username}@127.0.0.1:${server.port}/${join(server.folder, place, 'large')}`
      const to = `scp://${other.username}@127.0.0.1:${other.port}/${join(other.folder, 'copy')}`
      const both = [
        ...server.hostKeys.map((key) => `[127.0.0.1]:${server.port} ${key}`),
        ...other.hostKeys.map((key) => `[127.0.0.1]:${other.port} ${key}`),
      ]
      const known = here.write('both', `${both.join('\n')}\n`)
      const result = await runProgram(
        [
          'scp',
          ...flags,
          '-3',
          '-F',
          'none',
          '-o',
          `UserKnownHostsFile=${known}`,
          '-o',
          'BatchMode=yes',
          '-i',
          server.clientKey.path,
          '-i',
          config.IdentityFile,
          '-o',
          'IdentityAgent=none',
          from,
          to,
        ],
        { env: { SSH_AUTH_SOCK: '' } },
      )
      expect(said(result)).toEqual([0, ''])
      expect(hash(readFileSync(join(other.folder, 'copy')))).toBe(hash(large))
    })
  })

  test('OpenSSH scp -O: a name with a line break is told in another way, as between its own', async () => {
    const name = 'two\nlines'
    writeFileSync(join(here.path, name), 'x')
    const result = await scp(server, (at) => [join(here.path, name), at(server.folder)], { extraArguments: ['-O'] })
    expect(said(result)).toEqual([0, ''])
    expect(readdirSync(server.folder)).toContain('two\\^Jlines')
    // The other way round we say that we cannot, and give the rest.
    mkdirSync(join(server.folder, 'lines'))
    writeFileSync(join(server.folder, 'lines', name), 'x')
    writeFileSync(join(server.folder, 'lines', 'plain'), 'x')
    const into = join(here.path, 'lines')
    const got = await scp(server, (at) => [at(join(server.folder, 'lines')), into], { extraArguments: ['-O', '-r'] })
    expect([got.status, got.stderr]).toEqual([1, expect.stringContaining('Invalid argument')])
    expect(readdirSync(into)).toEqual(['plain'])
    const whole = join(here.path, 'whole')
    await scp(server, (at) => [at(join(server.folder, 'lines')), whole], { extraArguments: ['-s', '-r'] })
    expect(readdirSync(whole).sort()).toEqual(['plain', name])
  })

  test.skipIf(lacks('pscp', 'puttygen')).each(['-scp', '-sftp'])(
    'PuTTY pscp %s puts and gets files and trees',
    async (flag) => {
      const extraArguments = [flag, '-r', '-p', '-q']
      const remote = join(server.folder, `putty${flag}`)
      mkdirSync(remote)
      const names = ['large', 'empty', 'sub dir']
      const sources = names.map((name) => join(here.path, 'tree', name))
      expect(said(await pscp(server, (at) => [...sources, at(remote)], { extraArguments }))).toEqual([0, ''])
      expect(hash(readFileSync(join(remote, 'large')))).toBe(hash(large))
      expect(readdirSync(join(remote, 'sub dir/deeper'))).toHaveLength(200)
      expect(Math.floor(statSync(join(remote, 'large')).mtimeMs)).toBe(1.1e12)
      const back = join(here.path, `putty${flag}`)
      mkdirSync(back)
      expect(said(await pscp(server, (at) => [at(`${remote}/large`), back], { extraArguments }))).toEqual([0, ''])
      expect(hash(readFileSync(join(back, 'large')))).toBe(hash(large))
      const missing = await pscp(server, (at) => [at(`${remote}/none`), back], { extraArguments })
      expect([missing.status, missing.stderr + missing.stdout]).toEqual([1, expect.stringMatching(/no such file/i)])
    },
  )

  test('a client whose scp is not allowed hears that', async () => {
    await using strict = await startSdkServer({ processFactory: (process) => process.exit(66) })
    const result = await scp(strict, (at) => [join(here.path, 'tree/empty'), at(strict.folder)], {
      extraArguments: ['-O'],
    })
    expect(result.status).not.toBe(0)
    expect(readdirSync(strict.folder)).toEqual([])
  })
})

/** Our scp() against a server that runs OpenSSH's scp for it. */
function describeOurs(title: string, start: () => Promise<ForeignServer>): void {
  describe(`our scp() on ${title}`, () => {
    let server: ForeignServer
    let conn: SshClientConnection
    const here = temporaryFolder()
    beforeAll(async () => {
      server = await start()
      conn = await connectTo(server)
      chmodSync(server.folder, 0o777)
      mkdirSync(join(here.path, 'tree'))
      makeTree(join(here.path, 'tree'), [...awkwardNames, ...patternNames])
    })
    afterAll(async () => {
      await conn?.close()
      await server?.stop()
      here.remove()
    })

    test('puts and gets trees, with their modes and times', async () => {
      const events: SftpProgress[] = []
      const options: ScpOptions = { recurse: true, preserve: true, progress: (event) => events.push(event) }
      await ourScp(join(here.path, 'tree'), [conn, join(server.folder, 'up')], options)
      expect(treeOf(join(server.folder, 'up'))).toEqual(treeOf(join(here.path, 'tree')))
      expect(events.at(-1)?.files).toEqual({
        done: 203 + awkwardNames.length + patternNames.length,
        total: 203 + awkwardNames.length + patternNames.length,
      })
      await ourScp([conn, join(server.folder, 'up')], join(here.path, 'back'), options)
      expect(treeOf(join(here.path, 'back'))).toEqual(treeOf(join(here.path, 'tree')))
    })

    test('names every file there as it is, whatever a shell would make of it', async () => {
      mkdirSync(join(here.path, 'single'))
      for (const bytes of [...awkwardNames, ...patternNames]) {
        const name = Buffer.from(bytes).toString('utf8')
        // What is not UTF-8 has no text of its own; the escaped form is what listings give.
        if (!Buffer.from(name).equals(bytes)) continue
        const remote = join(server.folder, 'up/sub dir', name)
        await ourScp([conn, remote], join(here.path, 'single'), { literalPaths: true })
        expect(readFileSync(join(here.path, 'single', name), 'utf8')).toBe(contentOf(bytes))
        await ourScp(join(here.path, 'single', name), [conn, join(server.folder, name)], { literalPaths: true })
        expect(readFileSync(join(server.folder, name), 'utf8')).toBe(contentOf(bytes))
      }
      const escaped = '\udcff\udcfe bytes'
      await ourScp([conn, `${server.folder}/up/sub dir/${escaped}`], join(here.path, 'single'))
      expect(readFileSync(pathOf(join(here.path, 'single'), Buffer.from('\xff\xfe bytes', 'latin1')), 'utf8')).toMatch(
        /^of fffe/,
      )
      await ourScp(join(here.path, 'tree/empty'), [conn, join(server.folder, 'two\nlines')])
      expect(readdirSync(server.folder)).toContain('two\nlines')
    })

    test('has patterns and homes expanded there', async () => {
      const into = join(here.path, 'matches')
      await ourScp([conn, `${server.folder}/up/sub dir/deeper/f1[0-4]`], into)
      await ourScp([conn, `${server.folder}/up/s* dir/deeper/f{20,2?}`], into)
      expect(readdirSync(into)).toHaveLength(5 + 10)
      await ourScp(join(here.path, 'tree/empty'), [conn, '~/at home'])
      await ourScp([conn, '~/at home'], into)
      await ourScp([conn, '~/at h*'], join(here.path, 'again'))
      expect([readdirSync(into).includes('at home'), readdirSync(join(here.path, 'again'))]).toEqual([
        true,
        ['at home'],
      ])
    })

    test('copies within the machine', async () => {
      await ourScp([conn, `${server.folder}/up/large`], [conn, `${server.folder}/copy`])
      expect(hash(readFileSync(join(server.folder, 'copy')))).toBe(hash(large))
      mkdirSync(join(server.folder, 'trees'))
      chmodSync(join(server.folder, 'trees'), 0o777)
      await ourScp([conn, `${server.folder}/up`], [conn, `${server.folder}/trees`], { recurse: true, preserve: true })
      expect(treeOf(join(server.folder, 'trees/up'))).toEqual(treeOf(join(here.path, 'tree')))
    })

    test('keeps a file that is copied onto itself', async () => {
      await ourScp([conn, `${server.folder}/copy`], join(server.folder, 'copy'))
      expect(hash(readFileSync(join(server.folder, 'copy')))).toBe(hash(large))
    })

    test('tells what the other side says', async () => {
      const errors: Error[] = []
      writeFileSync(join(server.folder, 'private'), '', { mode: 0 })
      const sources = [
        [conn, `${server.folder}/none`],
        [conn, `${server.folder}/private`],
        [conn, `${server.folder}/up`],
        [conn, `${server.folder}/up/empty`],
      ] as const
      await ourScp(sources, join(here.path, 'some'), { onError: (error) => errors.push(error) })
      expect(errors).toMatchObject([
        {
          code: 'ENOENT',
          srcpath: `${server.folder}/none`,
          serverText: expect.stringContaining('No such file or directory'),
        },
        { code: 'EACCES' },
        { code: 'EINVAL', serverText: expect.stringContaining('not a regular file') },
      ])
      expect(readdirSync(join(here.path, 'some'))).toEqual(['empty'])
      const [empty, large] = [join(here.path, 'tree/empty'), join(here.path, 'tree/large')]
      for (const [sources, target, code] of [
        [empty, '/none/x', 'ENOENT'],
        [empty, '/x', 'EACCES'],
        [[empty, large], `${server.folder}/copy`, 'ENOTDIR'],
      ] as const) {
        // Dropbear closes a session by mistake when another one of its connection has just ended.
        await using fresh = await connectTo(server)
        await expect(ourScp(sources, [fresh, target])).rejects.toMatchObject({ code })
      }
    })
  })
}

describe.skipIf(lacks('sshd', 'scp', 'ssh-keygen'))('servers', () => {
  describeOurs('sshd', () => startSshd())

  test('between sshd and our own server, both ways, through this process', async () => {
    await using theirs = await startSshd()
    await using ours = await startSdkServer({ allowScp: true })
    chmodSync(theirs.folder, 0o777)
    await using one = await connectTo(theirs)
    await using other = await connectTo(ours)
    makeTree(join(ours.folder, 'tree'), awkwardNames)
    await ourScp([other, join(ours.folder, 'tree')], [one, join(theirs.folder, 'tree')], {
      recurse: true,
      preserve: true,
    })
    expect(treeOf(join(theirs.folder, 'tree'))).toEqual(treeOf(join(ours.folder, 'tree')))
    await ourScp([one, join(theirs.folder, 'tree')], [other, join(ours.folder, 'back')], {
      recurse: true,
      preserve: true,
    })
    expect(treeOf(join(ours.folder, 'back'))).toEqual(treeOf(join(ours.folder, 'tree')))
    const errors: Error[] = []
    const sources = [
      [one, `${theirs.folder}/none`],
      [one, `${theirs.folder}/tree/large`],
    ] as const
    await ourScp(sources, [other, ours.folder], { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'ENOENT' }])
    expect(hash(readFileSync(join(ours.folder, 'large')))).toBe(hash(large))
  })

  test.skipIf(!hasDisks)('a full disk is told', async () => {
    await using theirs = await startSshd({ diskSize: '1m' })
    await using conn = await connectTo(theirs)
    using here = temporaryFolder()
    const source = here.write('large', large)
    await expect(ourScp(source, [conn, theirs.folder])).rejects.toMatchObject({ code: 'ENOSPC', srcpath: source })
  })
})

describe.skipIf(lacks('dropbear', 'scp', 'ssh-keygen') || !canServeDropbear())('Dropbear', () => {
  describeOurs('Dropbear', () => startDropbear())
})
