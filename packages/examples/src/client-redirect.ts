/** Sends the streams of remote commands from and to local files. */

import { open, readFile, writeFile } from 'node:fs/promises'
import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)
await writeFile('names.txt', 'walnut\napple\nquince\n')

await using conn = await connect(destination)
await conn.run('sort', { stdin: { path: 'names.txt' }, stdout: { path: 'sorted.txt' }, check: true })
console.log((await readFile('sorted.txt', 'utf8')).trim().split('\n').join(', '))

// Both outputs in one file, as with 2>&1, added to what is there.
await conn.run('echo out; echo err >&2', { stdout: { path: 'sorted.txt', append: true }, stderr: 'stdout' })
console.log(`${(await readFile('sorted.txt', 'utf8')).split('\n').length - 1} lines`)

// Several commands into one file that stays open in between.
await using log = await open('log.txt', 'w')
for (const name of ['one', 'two']) await conn.run(`echo ${name}`, { stdout: { to: log, end: false } })
console.log((await readFile('log.txt', 'utf8')).trim().split('\n').join(', '))
