/** Looks around: lists a folder, asks about files, and takes a missing one for what it is. */

import { connect, SftpError } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
await using sftp = await conn.startSftpClient()
await sftp.makedirs('shelf/box')
await sftp.writeFile('shelf/book.txt', 'It was a dark and stormy night.\n')
await sftp.symlink('book.txt', 'shelf/favourite')

for (const { name, attrs } of await sftp.readdir('shelf')) console.log(`${attrs.type} ${name}`)
console.log(`links to ${await sftp.readlink('shelf/favourite')}, ${await sftp.getSize('shelf/favourite')} bytes`)
console.log(await sftp.readFile('shelf/book.txt', { encoding: 'utf8' }))

try {
  await sftp.stat('shelf/lost.txt')
} catch (error) {
  if (!(error instanceof SftpError && error.code === 'ENOENT')) throw error
  console.log(error.message)
}
await sftp.rmtree('shelf')
