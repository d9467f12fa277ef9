/** The first lines somebody writes with the SDK, word for word, against sshd. */

import { createReadStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { connect } from '@ssh/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type ForeignServer,
  knownHostsOf,
  lacks,
  mustRun,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../src/index.js'

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('the first lines with the SDK', () => {
  let server: ForeignServer
  let folder: TemporaryFolder
  /** In a test, relative paths stand for paths in this folder, as nobody should change the working directory of vitest. */
  const here = (name: string) => join(folder.path, name)
  beforeEach(async () => {
    server = await startSshd()
    folder = temporaryFolder()
    folder.write('known_hosts', knownHostsOf(server))
    folder.write('id_ed25519', readFileSync(server.clientKey.path))
    folder.write('names.txt', 'carol\nalice\nbob\n')
  })
  afterEach(async () => {
    folder.remove()
    await server.stop()
  })

  const login = () =>
    connect(`${server.username}@127.0.0.1:${server.port}`, {
      config: null,
      clientKeys: [here('id_ed25519')],
      knownHosts: here('known_hosts'),
    })

  test('say what system it is', async () => {
    await using conn = await login()
    expect((await conn.run('uname -a', { check: true })).stdout).toBe(await mustRun(['uname', '-a']))
  })

  test('sort a file through the server', async () => {
    await using conn = await login()
    const shown = new PassThrough()
    const p = await conn.createProcess('sort')
    createReadStream(here('names.txt')).pipe(p.stdin)
    p.stdout.pipe(shown)
    expect((await p.wait()).exitStatus).toBe(0)
    expect(Buffer.concat(await shown.toArray()).toString()).toBe('alice\nbob\ncarol\n')
  })

  test('fetch what matches, telling how far it is', async () => {
    await using conn = await login()
    for (const name of ['a', 'x/b', 'x/y/c']) {
      const file = join(server.folder, 'logs', `${name}.gz`)
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(file, gzipSync(name.repeat(1000)))
    }
    mkdirSync(here('out'))
    const seen: number[] = []
    const bar = { update: (bytes: number) => seen.push(bytes) }
    await using sftp = await conn.startSftpClient()
    await sftp.chdir(server.folder)
    await sftp.mget('logs/**/*.gz', here('out'), { progress: (e) => bar.update(e.bytes.done) })
    expect(readdirSync(here('out')).sort()).toEqual(['a.gz', 'b.gz', 'c.gz'])
    const sizes = readdirSync(here('out')).map((name) => readFileSync(here(`out/${name}`)).length)
    expect(seen.at(-1)).toBe(sizes.reduce((sum, size) => sum + size))
  })
})
