/** Starts a shell in a terminal of a size of our own, and resizes it while it runs. */

import { connect, expect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
const shell = await conn.createProcess(undefined, { requestPty: true, termType: 'xterm', termSize: [100, 30] })
shell.stdin.write('stty size\n')
const first = await expect(shell, /(\d+) (\d+)/, { timeout: '10s' })
console.log(`rows and columns: ${first.match}`)

shell.resize(120, 40)
shell.stdin.write('stty size\n')
const second = await expect(shell, /40 120/, { timeout: '10s' })
console.log(`rows and columns: ${second.match}`)

shell.stdin.end('exit\n')
await shell.wait()
