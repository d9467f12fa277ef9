/** Our program `sftp-server`, as it is published: one file, run by sshd as its subsystem, and side by side with OpenSSH's. */

import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { bundleProgram } from '../../../testkit/src/bundle.js'
import {
  connectTo,
  type ForeignServer,
  lacks,
  mustRun,
  peer,
  runProgram,
  scp,
  sftp,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../../src/index.js'

const source = fileURLToPath(new URL('../../../sftp/src/bin/sftp-server.ts', import.meta.url))

describe.skipIf(lacks('sshd', 'sftp-server', 'sftp', 'ssh-keygen'))('the program sftp-server', () => {
  let folder: TemporaryFolder
  let program: string
  beforeAll(async () => {
    folder = temporaryFolder()
    program = join(folder.path, 'sftp-server')
    await bundleProgram(source, program)
    chmodSync(program, 0o755)
    chmodSync(folder.path, 0o755)
  })
  afterAll(() => folder?.remove())

  describe('as the subsystem of sshd', () => {
    let server: ForeignServer
    const there = (name: string) => join(server.folder, name)
    beforeAll(async () => {
      server = await startSshd({ config: { Subsystem: `sftp ${process.execPath} ${program} -e -l INFO` } })
    })
    afterAll(() => server?.stop())

    test('serves our client', async () => {
      await using connection = await connectTo(server)
      await using files = await connection.startSftpClient()
      const data = randomBytes(5_000_003)
      await files.writeFile(there('ours'), data)
      expect(readFileSync(there('ours')).equals(data)).toBe(true)
      expect(Buffer.from(await files.readFile(there('ours'))).equals(data)).toBe(true)
      await files.remoteCopy(there('ours'), there('copied'))
      expect(readFileSync(there('copied')).equals(data)).toBe(true)
      // Both begin where the session does.
      expect(await files.expandPath('~/x')).toBe(join(await files.realpath('.'), 'x'))
    })

    test("serves OpenSSH's sftp", async () => {
      const local = temporaryFolder()
      onTestFinished(() => local.remove())
      const data = randomBytes(3_000_001)
      const file = local.write('file', data)
      const batch = [
        `put -p ${file} ${there('theirs')}`,
        `get ${there('theirs')} ${local.path}/back`,
        `cp ${there('theirs')} ${there('again')}`,
      ]
      expect(await sftp(server, batch)).toMatchObject({ status: 0 })
      expect(readFileSync(join(local.path, 'back')).equals(data)).toBe(true)
      expect(readFileSync(there('again')).equals(data)).toBe(true)
      const listed = await sftp(server, [`ls -la ${server.folder}`])
      expect(listed.stdout.toString()).toMatch(new RegExp(`${server.username} +\\S+ +3000001 .*theirs`))
    })

    test("serves OpenSSH's scp, trees included", async () => {
      const local = temporaryFolder()
      onTestFinished(() => local.remove())
      mkdirSync(join(local.path, 'tree/sub'), { recursive: true })
      for (let index = 0; index < 20; index++)
        writeFileSync(join(local.path, `tree/sub/${index}`), randomBytes(index * 999))
      const up = await scp(server, (remote) => ['-s', '-r', join(local.path, 'tree'), remote(there('up'))])
      expect(up).toMatchObject({ status: 0 })
      const down = await scp(server, (remote) => ['-s', '-r', remote(there('up')), join(local.path, 'down')])
      expect(down).toMatchObject({ status: 0 })
      for (let index = 0; index < 20; index++) {
        const name = `sub/${index}`
        expect(readFileSync(join(local.path, 'down', name)).equals(readFileSync(join(local.path, 'tree', name)))).toBe(
          true,
        )
      }
    })
  })

  describe("beside OpenSSH's", () => {
    /** What both do with the same commands: their logs at a level, and what the client printed. */
    async function both(options: readonly string[], batch: (folder: string) => readonly string[], level = 'VERBOSE') {
      const results = []
      for (const server of [[process.execPath, program], [peer('sftp-server')]]) {
        const work = temporaryFolder()
        onTestFinished(() => work.remove())
        writeFileSync(join(work.path, 'here'), 'content')
        chmodSync(join(work.path, 'here'), 0o644)
        const lines = batch(work.path)
        const commands = work.write('batch', `${lines.join('\n')}\n`)
        const argv = [...server, '-e', '-l', level, ...options].join(' ')
        const script = `exec ${argv} 2>${work.path}/log`
        const command = work.write('server', `#!/bin/sh\n${script}\n`)
        chmodSync(command, 0o755)
        const { status, stdout } = await runProgram([peer('sftp'), '-q', '-b', commands, '-D', command])
        const generic = (text: string) => text.replaceAll(work.path, '<folder>').replaceAll('\r', '')
        const log = generic(readFileSync(join(work.path, 'log'), 'utf8')).split('\n')
        results.push({ status, stdout: generic(stdout.toString()), log })
      }
      const [ours, theirs] = results
      return { ours: ours ?? expect.fail(), theirs: theirs ?? expect.fail() }
    }

    test('knows its requests by the same names', async () => {
      const ours = (await mustRun([process.execPath, program, '-Q', 'requests'])).trim().split('\n')
      const theirs = (await mustRun([peer('sftp-server'), '-Q', 'requests'])).trim().split('\n')
      // OpenSSH's, in its order; and those that it has not.
      expect(ours.filter((name) => theirs.includes(name))).toEqual(theirs)
      expect(new Set(ours).size).toBe(ours.length)
    })

    test('logs the same lines for the same commands', async () => {
      const { ours, theirs } = await both([], (folder) => [
        `put ${folder}/here ${folder}/up`,
        `get ${folder}/up ${folder}/down`,
        `chmod 600 ${folder}/up`,
        `mkdir ${folder}/made`,
        `rename ${folder}/up ${folder}/made/moved`,
        `ln ${folder}/made/moved ${folder}/hard`,
        `ln -s moved ${folder}/made/soft`,
        `-rm ${folder}/nothing`,
        `df ${folder}`,
        `rm ${folder}/hard`,
      ])
      expect(ours.status).toBe(0)
      // Requests that OpenSSH logs in its own way, or has not: names of its limits, statuses of success.
      const comparable = (log: readonly string[]) =>
        log.filter((line) => !/^(?:received client|debug|expand|realpath)/.test(line))
      expect(comparable(ours.log)).toEqual(comparable(theirs.log))
    })

    test.each([
      ['read-only', ['-R']],
      ['denied', ['-P', 'remove,mkdir,write,setstat,fsetstat']],
      ['not allowed', ['-p', 'realpath,stat,lstat,opendir,readdir,close,open,read,limits,fstat']],
    ])('refuses the same when requests are %s', async (_why, options) => {
      const { ours, theirs } = await both(options, (folder) => [
        `-put ${folder}/here ${folder}/up`,
        `-rm ${folder}/here`,
        `-mkdir ${folder}/made`,
        `-chmod 600 ${folder}/here`,
        `get ${folder}/here ${folder}/down`,
      ])
      expect(ours.status).toBe(theirs.status)
      // OpenSSH logs what it does not announce too, before the first request.
      const refused = ({ log }: { log: readonly string[] }) =>
        log
          .slice(log.findIndex((line) => line.startsWith('realpath')))
          .filter((line) => /Refusing|sent status/.test(line))
      expect(refused(ours)).toEqual(refused(theirs))
      expect(refused(ours).length).toBeGreaterThan(1)
    })

    test.each(['077', '0', '027'])('-u %s gives files the same modes', async (umask) => {
      const { ours, theirs } = await both(['-u', umask], (folder) => [
        `put ${folder}/here ${folder}/up`,
        `mkdir ${folder}/made`,
        `ls -l ${folder}`,
      ])
      const modesIn = (stdout: string) =>
        stdout.match(/^[-d][rwxsStT-]{9}.*(?:up|made)$/gm)?.map((line) => line.slice(0, 10))
      expect(modesIn(ours.stdout)).toEqual(modesIn(theirs.stdout))
      expect(modesIn(ours.stdout)).toHaveLength(2)
    })

    test.each(['%d', '%u', '%U', '%%', '~', '/nonexistent'])('starts where -d %s says', async (template) => {
      const { ours, theirs } = await both(['-d', template], () => ['pwd'])
      expect(ours.stdout).toBe(theirs.stdout)
      const failed = ({ log }: { log: readonly string[] }) => log.filter((line) => line.startsWith('chdir')).length
      expect(failed(ours)).toBe(failed(theirs))
    })

    test('tells the same of a file system', async () => {
      const { ours, theirs } = await both([], (folder) => [`df -i ${folder}`, 'df -h /proc'])
      const blocks = (stdout: string) => stdout.match(/^ +\d+/gm)?.map((text) => Number(text))
      expect(ours.stdout.split('\n').length).toBe(theirs.stdout.split('\n').length)
      expect(blocks(ours.stdout)?.[0]).toBe(blocks(theirs.stdout)?.[0])
    })
  })

  test('needs nothing but Node', () => {
    expect(existsSync(program)).toBe(true)
    expect(statSync(program).size).toBeLessThan(200_000)
    const required = [...readFileSync(program, 'utf8').matchAll(/require\(["'`]([^"'`]+)["'`]\)/g)].map(
      ([, name]) => name,
    )
    expect(new Set(required)).toEqual(new Set(['node:fs', 'node:fs/promises', 'node:net', 'node:os', 'node:util']))
  })
})
