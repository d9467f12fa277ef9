/** Sets variables for a command. Servers accept few names: OpenSSH takes what AcceptEnv lists, mostly LANG and LC_*. */

import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination, { env: { LANG: 'en_GB.UTF-8' } })
const shown = await conn.run('echo "$LANG $LC_COLLATE"', { env: { LC_COLLATE: 'C' }, check: true })
process.stdout.write(shown.stdout)

// A variable that the server refuses is no error; a process tells which ones it was.
const remote = await conn.createProcess('true', { env: { LC_TIME: 'C', NOT_ACCEPTED: 'x' } })
await remote.wait({ check: true })
console.log(`refused: ${remote.refused.map(({ name }) => name).join(', ') || 'none'}`)
