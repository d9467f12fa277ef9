/** Reads a command's output line by line while it runs, and stops it early. */

import { connect, lines } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
const endless = await conn.createProcess('i=0; while :; do i=$((i+1)); echo "line $i"; done', { stderr: 'ignore' })
for await (const line of lines(endless.stdout)) {
  console.log(line)
  if (line === 'line 3') break
}
await endless.close()
