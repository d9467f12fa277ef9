/** ProFTPD's mod_sftp, as a server. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { connectTo, lacks, startProftpd } from '../src/index.js'

describe.skipIf(lacks('proftpd', 'ssh-keygen'))('ProFTPD', () => {
  test('takes the files of our client', async () => {
    await using server = await startProftpd()
    await using conn = await connectTo(server)
    await using sftp = await conn.startSftpClient()
    expect(await sftp.realpath('.')).toBe(server.folder)
    await sftp.writeFile(join(server.folder, 'file'), 'hello')
    expect(readFileSync(join(server.folder, 'file'), 'utf8')).toBe('hello')
  })
})
