/** Copies files from one place of a server to another: on the server itself where it can, and through here where not. */

import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
await using sftp = await conn.startSftpClient()
await sftp.makedirs('original/parts')
await sftp.writeFile('original/letter.txt', 'Dear Ada,\n')
await sftp.writeFile('original/parts/end.txt', 'Yours, Charles\n')

await sftp.copy('original', 'backup', { recurse: true, preserve: true })
await sftp.makedirs('letters')
await sftp.mcopy('backup/**/*.txt', 'letters')
console.log((await sftp.listdir('letters')).sort().join(', '))

// Parts of files can be put together without fetching a byte of them.
if (sftp.supportsRemoteCopy) {
  await sftp.remoteCopy('letters/end.txt', 'letters/letter.txt', { dstOffset: 10 })
} else await sftp.appendFile('letters/letter.txt', await sftp.readFile('letters/end.txt'))
console.log((await sftp.readFile('letters/letter.txt', { encoding: 'utf8' })).trim())
for (const folder of ['original', 'backup', 'letters']) await sftp.rmtree(folder)
