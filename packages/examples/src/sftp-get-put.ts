/** Sends a file and a folder, and fetches them back, with progress. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, type SftpProgress } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)
await mkdir('site/images', { recursive: true })
await writeFile('site/index.html', '<h1>Hello</h1>\n')
await writeFile('site/images/logo.svg', '<svg/>\n')
await writeFile('big.bin', Buffer.alloc(3_000_000, 'SSH'))

function progress({ src, transferred, total, files }: SftpProgress): void {
  console.error(`${src}: ${transferred} of ${total} bytes; ${files.done} of ${files.total} files are done`)
}

await using conn = await connect(destination)
await using sftp = await conn.startSftpClient()
await sftp.makedirs('upload', { existOk: true })
await sftp.put('big.bin', 'upload', { progress })
await sftp.put('site', 'upload', { recurse: true, preserve: true, progress })
await sftp.get('upload/big.bin', 'returned.bin', { progress })
await sftp.get('upload/site', 'returned-site', { recurse: true })

console.log(`equal: ${(await readFile('returned.bin')).equals(await readFile('big.bin'))}`)
console.log((await readFile('returned-site/images/logo.svg', 'utf8')).trim())
await sftp.rmtree('upload')
