/** Copies with SCP, for servers without SFTP: there, back, and from one host to another through this one. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, scp } from '@ssh/sdk'

const [destination = 'localhost', other = destination] = process.argv.slice(2)
await mkdir('site/images', { recursive: true })
await writeFile('site/index.html', '<h1>Hello</h1>\n')
await writeFile('site/images/logo.svg', '<svg/>\n')

// Text as on the command line would do too, "user@host:path": here the host has a port.
await using conn = await connect(destination)
await scp('site', [conn, 'sent'], { recurse: true, preserve: true })
await scp([conn, 'sent/images/*.svg'], '.')
console.log((await readFile('logo.svg', 'utf8')).trim())

await scp(
  [conn, 'sent/index.html'],
  { connection: other, path: 'index.html' },
  {
    progress: ({ transferred, total }) => console.error(`${transferred} of ${total} bytes`),
  },
)
console.log((await conn.run('cat index.html && rm -r sent index.html', { check: true })).stdout.trim())
