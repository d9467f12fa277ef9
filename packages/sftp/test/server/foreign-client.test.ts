import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { StdioChannel } from '../../src/bin/stdio-channel.js'
import { SftpClient } from '../../src/client/sftp-client.js'
import { temporaryDirectory } from '../temporary-directory.js'

const hasSftp = spawnSync('sftp', ['-V']).error === undefined

/** How to run our sftp-server from its source. */
const program = fileURLToPath(new URL('../../src/bin/sftp-server.ts', import.meta.url))
const command = [process.execPath, '--conditions=@ssh/source', '--import', import.meta.resolve('tsx'), program]

/** Runs OpenSSH's client against our server. */
async function sftp(lines: readonly string[], ...serverArguments: string[]): Promise<string> {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'batch'), `${lines.join('\n')}\n`)
  const server = [...command, ...serverArguments].join(' ')
  const { stdout } = await promisify(execFile)('sftp', ['-q', '-b', join(directory, 'batch'), '-D', server])
  return stdout
}

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

describe.skipIf(!hasSftp)("OpenSSH's sftp with our sftp-server", { timeout: 30_000 }, () => {
  test('puts and gets a file unchanged, and preserves its mode and time', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a'), randomBytes(3_000_001))
    chmodSync(join(directory, 'a'), 0o750)
    await sftp([`put -p ${directory}/a ${directory}/b`, `get -p ${directory}/b ${directory}/c`])
    expect(hash(join(directory, 'c'))).toBe(hash(join(directory, 'a')))
    expect(statSync(join(directory, 'c')).mode & 0o777).toBe(0o750)
    expect(Math.floor(statSync(join(directory, 'c')).mtimeMs / 1000)).toBe(
      Math.floor(statSync(join(directory, 'a')).mtimeMs / 1000),
    )
  })

  test('makes, lists, renames, links, truncates by resuming, and removes', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a'), 'content')
    const output = await sftp(
      [
        'pwd',
        'mkdir made',
        'rename made renamed',
        'ln -s a symbolic',
        'ln a hard',
        'chmod 600 hard',
        'ls -l',
        'ls -n renamed',
        'df .',
        'rename a moved',
        'rm hard',
        'rmdir renamed',
        'ls -1',
      ],
      '-d',
      directory,
    )
    expect(output).toContain(`Remote working directory: ${directory}`)
    expect(output).toMatch(/-rw------- .* 7 .* hard/)
    expect(output).toMatch(/lrwxrwxrwx .* symbolic/)
    expect(output).toMatch(/%Capacity|Avail/)
    expect(output.trim().split('\n').slice(-2)).toEqual(['moved', 'symbolic'])
    expect(readlinkSync(join(directory, 'symbolic'))).toBe('a')
  })

  test('copies trees both ways', async () => {
    const directory = temporaryDirectory()
    const lines = [`lmkdir ${directory}/tree`, `lmkdir ${directory}/tree/sub`]
    await sftp(lines)
    for (let index = 0; index < 30; index++)
      writeFileSync(join(directory, 'tree/sub', `f${index}`), randomBytes(index * 1000))
    await sftp([`put -R ${directory}/tree ${directory}/up`, `get -R ${directory}/up ${directory}/down`])
    for (let index = 0; index < 30; index++) {
      expect(hash(join(directory, 'down/sub', `f${index}`))).toBe(hash(join(directory, 'tree/sub', `f${index}`)))
    }
  })

  test('read-only refuses to write and goes on reading', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a'), 'content')
    const output = await sftp(
      [`-rm ${directory}/a`, `-put ${directory}/a ${directory}/b`, `get ${directory}/a ${directory}/c`],
      '-R',
    )
    expect(output).toContain('get')
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('content')
    expect(readFileSync(join(directory, 'c'), 'utf8')).toBe('content')
  })
})

describe('the sftp-server program', { timeout: 30_000 }, () => {
  test('serves our client and ends when its input does', async () => {
    const directory = temporaryDirectory()
    const [file = '', ...args] = command
    const child = spawn(file, [...args, '-d', directory], { stdio: ['pipe', 'pipe', 'inherit'] })
    const exited = new Promise((resolve) => child.on('exit', resolve))
    const client = await SftpClient.start(new StdioChannel(child.stdout, child.stdin))
    await client.writeFile('a', 'content')
    expect(await client.getcwd()).toBe(directory)
    await client.close()
    expect(await exited).toBe(0)
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('content')
  })

  test.each([
    [['-h'], 1, 'stderr', /^usage: sftp-server/],
    [['-x'], 1, 'stderr', /-x[\s\S]*usage: sftp-server/],
    [['-d', '/%q'], 1, 'stderr', /unknown token %q/],
    [['-e', '-d', '/does/not/exist'], 0, 'stderr', /chdir to "\/does\/not\/exist" failed/],
  ] as const)('%j', (args, code, stream, text) => {
    const [file = '', ...rest] = command
    const result = spawnSync(file, [...rest, ...args], { encoding: 'utf8', input: '' })
    expect(result.status).toBe(code)
    expect(result[stream]).toMatch(text)
  })
})
