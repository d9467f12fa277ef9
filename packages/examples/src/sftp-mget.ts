/** Fetches what patterns match, goes on when a file fails, and removes what was fetched. */

import { mkdir, readdir } from 'node:fs/promises'
import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)
await mkdir('logs', { recursive: true })

await using conn = await connect(destination)
await using sftp = await conn.startSftpClient()
await sftp.makedirs('var/2026')
for (const name of ['var/a.log', 'var/b.log', 'var/2026/c.log', 'var/notes.txt']) await sftp.writeFile(name, name)

await sftp.mget(['var/**/*.log', 'var/*.missing'], 'logs', {
  preserve: true,
  onError: (error) => console.log(`left out: ${error.message}`),
})
console.log((await readdir('logs')).sort().join(', '))

for await (const path of sftp.glob('var/**/*.log')) await sftp.remove(path)
console.log((await sftp.glob('var/**')).sort().join(', '))
await sftp.rmtree('var')
