/**
 * OpenSSH's sftp and scp, PuTTY's psftp and pscp, lftp, rclone and curl with the files of our server, which has a root and
 * changes keys every MiB.
 */

import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  canCurl,
  curl,
  lacks,
  lftp,
  type ProgramResult,
  pscp,
  psftp,
  rclone,
  type SdkServer,
  scp,
  sftp,
  startSdkServer,
  type TemporaryFolder,
  temporaryFolder,
} from '../../src/index.js'
import { startJailedServer } from './jailed-server.js'
import { describeTree, hashOf, makeTree } from './trees.js'

const big = randomBytes(8 * 2 ** 20 + 1)
let server: SdkServer
let here: TemporaryFolder
/** What clients see as `/name`. */
const there = (...names: readonly string[]): string => join(server.folder, ...names)
const local = (...names: readonly string[]): string => join(here.path, ...names)
const ended = ({ status, stderr, stdout }: ProgramResult): unknown => ({
  status,
  stderr,
  stdout: status === 0 ? '' : `${stdout}`,
})
const well = { status: 0, stderr: '', stdout: '' }

describe.skipIf(lacks('ssh-keygen'))('files of our server', () => {
  beforeAll(async () => {
    server = await startJailedServer({ rekeyBytes: '1m' })
  })
  afterAll(() => server?.stop())
  beforeEach(() => {
    here = temporaryFolder()
  })
  afterEach(() => here.remove())

  describe.skipIf(lacks('sftp', 'ssh'))('through sftp', () => {
    test('go both ways as trees that keep modes and times', async () => {
      makeTree(local('tree'))
      const lines = [`put -pR ${local('tree')} /openssh`, `get -pR /openssh ${local('back')}`]
      const { status } = await sftp(server, lines)
      expect(status).toBe(0)
      // It leaves links out, and says so.
      const facts = { links: false }
      expect(describeTree(there('openssh'), facts)).toEqual(describeTree(local('tree'), facts))
      expect(describeTree(local('back'), facts)).toEqual(describeTree(local('tree'), facts))
    })

    test('go on where they broke off, with put -a and get -a too', async () => {
      here.write('whole', big)
      writeFileSync(there('part'), big.subarray(0, 1_000_000))
      here.write('started', big.subarray(0, 3_000_000))
      writeFileSync(there('part 2'), big.subarray(0, 2_000_000))
      here.write('started 2', big.subarray(0, big.length - 1))
      const lines = [
        `put -a ${local('whole')} /part`,
        `get -a /part ${local('started')}`,
        `reput ${local('whole')} "/part 2"`,
        `reget "/part 2" "${local('started 2')}"`,
      ]
      expect(ended(await sftp(server, lines))).toEqual(well)
      const paths = [there('part'), local('started'), there('part 2'), local('started 2')]
      expect(paths.map(hashOf)).toEqual(paths.map(() => hashOf(local('whole'))))
    })

    test.for([
      ['-B', '1024', '-R', '1'],
      ['-B', '261120', '-R', '256'],
    ])('come and go in requests of its choice: %j', async (extraArguments) => {
      const size = extraArguments[1] === '1024' ? 300_000 : big.length
      here.write('up', big.subarray(0, size))
      const lines = [`put -f ${local('up')} /sized`, `get /sized ${local('down')}`]
      expect(ended(await sftp(server, lines, { extraArguments }))).toEqual(well)
      expect([hashOf(there('sized')), hashOf(local('down'))]).toEqual([hashOf(local('up')), hashOf(local('up'))])
    })

    test('are listed, linked, renamed, changed, copied and removed', async () => {
      mkdirSync(there('d'))
      writeFileSync(there('d', 'a b'), 'hello')
      const { uid, gid } = statSync(there('d'))
      const result = await sftp(server, [
        'cd /d',
        'rename "a b" a',
        'ln a hard',
        'ln -s a soft',
        'symlink nowhere dangling',
        'chmod -h 600 hard',
        'chmod 4640 a',
        `chown ${uid} a`,
        `chgrp ${gid} a`,
        'cp a copied',
        'mkdir e',
        'mkdir e/f',
        'rmdir e/f',
        'rename copied hard',
        'ls -lan',
        'ls -1rt e',
        'ls -S1 *a*',
        'df -hi',
        'df /d',
        'pwd',
        'rm e/../dangling',
      ])
      expect(ended(result)).toEqual(well)
      const said = result.stdout.toString()
      expect(said).toMatch(/^-rw-r----- .* 5 .* a$/m)
      expect(said).toMatch(/^lrwx.* soft/m)
      expect(said).toMatch(/\d+%/)
      expect(said).toContain('Remote working directory: /d')
      expect(readdirSync(there('d')).sort()).toEqual(['a', 'e', 'hard', 'soft'])
      expect([readlinkSync(there('d', 'soft')), readFileSync(there('d', 'hard'), 'utf8')]).toEqual(['a', 'hello'])
      // A root takes no set-user-ID bits from its clients.
      expect(statSync(there('d', 'a')).mode & 0o7777).toBe(0o640)
    })

    test('with any name, and five thousand in a folder, are found by patterns', async () => {
      mkdirSync(there('many'))
      for (let n = 0; n < 5000; n++) writeFileSync(there('many', `file ${n}`), '')
      for (const name of ['grün', "it's", 'a"b', 'new\nline', '[x]']) writeFileSync(there('many', name), name)
      mkdirSync(local('got'))
      const lines = [
        'ls -1 /many',
        `lcd ${local('got')}`,
        'get /many/*ü*',
        `get "/many/it's"`,
        'get /many/?x?',
        'rm /many/file\\ 12?',
      ]
      const result = await sftp(server, lines)
      expect([result.status, result.stderr]).toEqual([0, ''])
      expect(result.stdout.toString().match(/^\/many\/file \d+$/gm)).toHaveLength(5000)
      expect(readdirSync(local('got')).sort()).toEqual(['[x]', 'grün', "it's"])
      expect(readdirSync(there('many'))).toHaveLength(5005 - 10)
    })
  })

  test.skipIf(lacks('scp', 'ssh'))('come and go through scp, which speaks SFTP', async () => {
    here.write('big', big)
    makeTree(local('tree'))
    const modern = ['-s']
    const through = async (paths: Parameters<typeof scp>[1], ...flags: readonly string[]) =>
      expect(ended(await scp(server, paths, { extraArguments: [...modern, ...flags] }))).toEqual(well)
    await through((remote) => [local('big'), remote('/scp big')])
    await through((remote) => [remote('/scp big'), local('back')], '-X', 'nrequests=3', '-X', 'buffer=20000')
    expect([hashOf(there('scp big')), hashOf(local('back'))]).toEqual([hashOf(local('big')), hashOf(local('big'))])
    await through((remote) => [local('tree'), remote('/scp')], '-rp')
    await through((remote) => [remote('/scp'), local('tree back')], '-rp')
    // What links point to comes along.
    expect(readFileSync(local('tree back', 'link'), 'utf8')).toBe('one')
    const facts = { links: false }
    const { link: _, ...back } = describeTree(local('tree back'), facts)
    expect(back).toEqual(describeTree(local('tree'), facts))
    await through(
      (remote) => [remote('/scp/deep/*'), remote('/scp/o*'), local('empty')].slice(0, 2).concat(local('tree', 'empty')),
      '-r',
    )
    expect(readdirSync(local('tree', 'empty')).sort()).toEqual(['deeper', 'one', 'two words.gz'])
    await through((remote) => [remote('/scp/one'), remote('/three ways')], '-3')
    expect(readFileSync(there('three ways'), 'utf8')).toBe('one')
    const missing = await scp(server, (remote) => [remote('/nothing'), local('x')], { extraArguments: modern })
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringMatching(/No such file/)])
  })

  describe.skipIf(lacks('psftp', 'pscp', 'puttygen'))("through PuTTY's", () => {
    test('psftp: trees, resumed transfers, several at once, modes', async () => {
      here.write('big', big)
      makeTree(local('tree'))
      writeFileSync(there('putty part'), big.subarray(0, 3_000_000))
      here.write('started', big.subarray(0, 1_000_000))
      const { status, stdout } = await psftp(server, [
        `put -r ${local('tree')} /putty`,
        `get -r /putty ${local('back')}`,
        `reput ${local('big')} "/putty part"`,
        `reget "/putty part" ${local('started')}`,
        'cd /putty',
        `lcd ${here.path}`,
        'mget deep/*.gz one',
        'mput started',
        'chmod u+x,go-rwx started',
        'mv started deep/moved',
        'ls deep/*',
        'mkdir made',
        'rmdir made',
        'rm link',
        'pwd',
      ])
      expect([status, stdout.toString()]).toEqual([0, expect.stringMatching(/Remote directory is \/putty/)])
      expect([there('putty part'), local('started'), there('putty', 'deep', 'moved')].map(hashOf)).toEqual(
        Array.from({ length: 3 }, () => hashOf(local('big'))),
      )
      const facts = { modes: false, times: false, links: false }
      const { link: _, ...back } = describeTree(local('back'), facts)
      expect(back).toEqual(describeTree(local('tree'), facts))
      expect(statSync(there('putty', 'deep', 'moved')).mode & 0o777).toBe(0o700)
      expect(readFileSync(local('two words.gz'), 'utf8')).toBe('two')
    })

    test('pscp: files and trees, with times, and a listing', async () => {
      here.write('big', big)
      utimesSync(local('big'), 1_000_000_000, 1_000_000_000)
      makeTree(local('tree'))
      const through = async (paths: Parameters<typeof pscp>[1], ...flags: readonly string[]) => {
        const result = await pscp(server, paths, { extraArguments: ['-sftp', '-q', ...flags] })
        expect([result.status, result.stderr]).toEqual([0, ''])
        return result.stdout.toString()
      }
      await through((remote) => [local('big'), remote('/pscp big')], '-p')
      await through((remote) => [remote('/pscp big'), local('back')], '-p')
      expect([hashOf(there('pscp big')), hashOf(local('back'))]).toEqual([hashOf(local('big')), hashOf(local('big'))])
      expect([statSync(there('pscp big')).mtimeMs, statSync(local('back')).mtimeMs]).toEqual([1e12, 1e12])
      // A folder that is not there yet would get all files under its own name, one over the other.
      mkdirSync(there('pscp'))
      await through((remote) => [local('tree'), remote('/pscp')], '-r')
      await through((remote) => [remote('/pscp/tree/*'), local('tree', 'empty')], '-r', '-unsafe')
      expect(readFileSync(local('tree', 'empty', 'deep', 'deeper', 'three.txt'), 'utf8')).toBe('three')
      expect(await through((remote) => [remote('/pscp/tree')], '-ls')).toMatch(/one/)
    })
  })

  describe.skipIf(lacks('lftp', 'ssh'))('through lftp', () => {
    test('are mirrored both ways, and changes alone come again', async () => {
      makeTree(local('tree'))
      const upAndDown = [`mirror -R ${local('tree')} /lftp`, `mirror --parallel=3 /lftp ${local('back')}`]
      expect(ended(await lftp(server, upAndDown))).toEqual(well)
      expect(describeTree(there('lftp'), { folderTimes: false })).toEqual(
        describeTree(local('tree'), { folderTimes: false }),
      )
      expect(describeTree(local('back'), { folderTimes: false })).toEqual(
        describeTree(local('tree'), { folderTimes: false }),
      )
      writeFileSync(local('tree', 'one'), 'another')
      const again = [
        `mirror -R --delete --verbose ${local('tree')} /lftp`,
        'rm -r /lftp/deep',
        `mirror --delete /lftp ${local('back')}`,
      ]
      const { status, stdout } = await lftp(server, again)
      expect([status, stdout.toString().match(/Transferring file/g)]).toEqual([0, ['Transferring file']])
      expect(readdirSync(local('back')).sort()).toEqual(['empty', 'link', 'one'])
    })

    test('go on where they broke off, come in parts, and are listed, changed, moved, linked and removed', async () => {
      here.write('big', big)
      here.write('started', big.subarray(0, 1_000_000))
      writeFileSync(there('lftp part'), big.subarray(0, 2_000_000))
      const result = await lftp(server, [
        `put -c ${local('big')} -o "/lftp part"`,
        `get -c "/lftp part" -o ${local('started')}`,
        `pget -n 4 "/lftp part" -o ${local('parts')}`,
        'mkdir -p /l/m/n',
        'cd /l',
        `mput ${here.path}/b*`,
        'mv big m/moved',
        'chmod 640 m/moved',
        'ln -s m/moved soft',
        'cls -l --size',
        'ls m',
        'find',
        'du -s m',
        'cat soft | wc -c',
        'glob rm s*',
        'rm -r m',
      ])
      expect(ended(result)).toEqual(well)
      expect([there('lftp part'), local('started'), local('parts')].map(hashOf)).toEqual(
        Array.from({ length: 3 }, () => hashOf(local('big'))),
      )
      expect(result.stdout.toString()).toContain(`${big.length}`)
      expect(result.stdout.toString()).toMatch(/^-rw-r----- .* moved$/m)
      expect(readdirSync(there('l'))).toEqual([])
    })
  })

  describe.skipIf(lacks('rclone'))('through rclone', () => {
    test('are copied, checked, listed, moved and purged', async () => {
      const facts = { modes: false, folderTimes: false, links: false }
      makeTree(local('tree'))
      here.write('tree/big', big)
      for (let n = 0; n < 100; n++) writeFileSync(local('tree', 'deep', `small ${n}`), `${n}`)
      expect(ended(await rclone(server, ['copy', '--transfers', '8', local('tree'), 'there:/rclone']))).toMatchObject({
        status: 0,
      })
      expect(await rclone(server, ['check', '--download', local('tree'), 'there:/rclone'])).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('0 differences found'),
      })
      const { empty: _, ...files } = describeTree(local('tree'), facts)
      expect(describeTree(there('rclone'), facts)).toEqual(files)
      writeFileSync(local('tree', 'one'), 'changed')
      writeFileSync(there('rclone', 'extra'), 'extra')
      expect(ended(await rclone(server, ['sync', local('tree'), 'there:/rclone']))).toMatchObject({ status: 0 })
      expect([readFileSync(there('rclone', 'one'), 'utf8'), existsSync(there('rclone', 'extra'))]).toEqual([
        'changed',
        false,
      ])
      expect(ended(await rclone(server, ['sync', 'there:/rclone', local('back')]))).toMatchObject({ status: 0 })
      expect(describeTree(local('back'), facts)).toEqual(describeTree(there('rclone'), facts))
      const listed = await rclone(server, ['lsf', '-R', '--format', 'tsp', '--files-only', 'there:/rclone/deep'])
      expect(listed.stdout.toString().trim().split('\n')).toHaveLength(102)
      expect((await rclone(server, ['about', 'there:'])).stdout.toString()).toMatch(/Total:.*\nUsed:.*\nFree:/)
      expect(ended(await rclone(server, ['moveto', 'there:/rclone/deep', 'there:/rclone/moved']))).toMatchObject({
        status: 0,
      })
      expect(readdirSync(there('rclone', 'moved'))).toContain('two words.gz')
      expect(ended(await rclone(server, ['purge', 'there:/rclone']))).toMatchObject({ status: 0 })
      expect(existsSync(there('rclone'))).toBe(false)
    })

    test('are checked by hashes where there is a shell to ask', async () => {
      await using open = await startSdkServer()
      makeTree(local('tree'))
      const target = `there:${open.folder}/hashed`
      const copied = await rclone(open, ['copy', '--checksum', local('tree'), target], {
        backend: { shell_type: 'unix' },
      })
      expect(ended(copied)).toMatchObject({ status: 0 })
      writeFileSync(join(open.folder, 'hashed', 'one'), 'two')
      const { status, stderr } = await rclone(open, ['check', local('tree'), target])
      expect([status, stderr]).toEqual([1, expect.stringMatching(/one: md5 differ.*1 differences found/s)])
    })
  })

  describe.skipIf(!canCurl())('through curl', () => {
    test('come and go, in parts too, and go on where they broke off', async () => {
      here.write('big', big)
      writeFileSync(there('curl part'), big.subarray(0, 3_000_000))
      here.write('started', big.subarray(0, 1_000_000))
      const good = async (args: Parameters<typeof curl>[1]) => {
        const result = await curl(server, args)
        expect([result.status, result.stderr]).toEqual([0, ''])
        return result.stdout
      }
      await good((url) => ['-T', local('big'), '--ftp-create-dirs', url('/c/d/e f')])
      expect(hashOf(there('c', 'd', 'e f'))).toBe(hashOf(local('big')))
      await good((url) => ['-o', local('back'), url('/c/d/e f')])
      await good((url) => ['-C', '-', '-T', local('big'), url('/curl part')])
      await good((url) => ['-C', '-', '-o', local('started'), url('/curl part')])
      expect([local('back'), there('curl part'), local('started')].map(hashOf)).toEqual(
        Array.from({ length: 3 }, () => hashOf(local('big'))),
      )
      expect((await good((url) => ['-r', '1000-1999', url('/c/d/e f')])).equals(big.subarray(1000, 2000))).toBe(true)
      expect((await good((url) => ['-r', '-100', url('/c/d/e f')])).equals(big.subarray(-100))).toBe(true)
      await good((url) => ['-a', '-T', local('started'), url('/c/d/e f')])
      expect(statSync(there('c', 'd', 'e f')).size).toBe(2 * big.length)
    })

    test('are listed, renamed, linked, changed and removed', async () => {
      mkdirSync(there('q'))
      writeFileSync(there('q', 'one'), 'one')
      const quotes = [
        'mkdir /q/made',
        'rename /q/one /q/two',
        'symlink /q/two /q/soft',
        'chmod 600 /q/two',
        'rmdir /q/made',
        'pwd',
        'mtime "Mon, 01 Jan 2001 00:00:00 GMT" /q/two',
      ]
      const listing = await curl(server, (url) => [
        ...quotes.flatMap((quote) => ['-Q', quote]),
        '-Q',
        '-*rm /q/nothing',
        url('/q/'),
      ])
      expect([listing.status, listing.stderr]).toEqual([0, ''])
      expect(listing.stdout.toString()).toMatch(/^-rw------- .* 3 .* two$/m)
      expect(listing.stdout.toString()).toMatch(/^l.* soft/m)
      expect(readdirSync(there('q')).sort()).toEqual(['soft', 'two'])
      expect(statSync(there('q', 'two'))).toMatchObject({ mode: 0o100600, mtimeMs: Date.UTC(2001, 0) })
      const names = await curl(server, (url) => ['-l', url('/q/')])
      expect(names.stdout.toString().split('\n').sort()).toEqual(['', '.', '..', 'soft', 'two'])
      expect((await curl(server, (url) => ['-Q', '-rm /q/two', '-o', local('x'), url('/q/soft')])).status).toBe(0)
      expect(readdirSync(there('q'))).toEqual(['soft'])
      // 78: no such file; 9: refused.
      expect((await curl(server, (url) => [url('/nothing')])).status).toBe(78)
    })
  })
})
