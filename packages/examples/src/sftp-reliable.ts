/** Uploads that can be interrupted and gone on with, that are checked, and that replace a file in one step. */

import { writeFile } from 'node:fs/promises'
import { AbortError, connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)
await writeFile('big.bin', Buffer.alloc(20_000_000, 'SSH'))
await writeFile('settings.json', '{ "colour": "green" }\n')

await using conn = await connect(destination)
await using sftp = await conn.startSftpClient()

const cable = new AbortController()
try {
  await sftp.put('big.bin', 'big.bin', {
    resume: true,
    signal: cable.signal,
    progress: ({ transferred, total }) => {
      if (transferred < total) cable.abort()
    },
  })
} catch (error) {
  if (!(error instanceof AbortError)) throw error
  console.log(`interrupted: ${(await sftp.getSize('big.bin')) < 20_000_000}`)
}
await sftp.put('big.bin', 'big.bin', { resume: true, verify: true })
console.log(`then whole: ${(await sftp.getSize('big.bin')) === 20_000_000}`)

// Whoever reads it meanwhile sees the old file or the new one, never half of one.
await sftp.writeFile('settings.json', '{ "colour": "red" }\n')
await sftp.put('settings.json', 'settings.json', { atomic: true })
console.log((await sftp.readFile('settings.json', { encoding: 'utf8' })).trim())
await sftp.remove('big.bin')
await sftp.remove('settings.json')
