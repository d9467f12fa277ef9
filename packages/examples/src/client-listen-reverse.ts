/**
 * Waits for servers to connect to their client: for machines that nobody can reach. See server-connect-reverse.ts.
 *
 *     client-listen-reverse.ts 2222
 */

import { listenReverse } from '@ssh/sdk'

const [port = '2222'] = process.argv.slice(2)

await using listener = await listenReverse({ host: '127.0.0.1', port: Number(port), destination: 'demo@device' })
console.log(`listening on port ${listener.port}`)
for await (const conn of listener) {
  const { stdout } = await conn.run('status', { check: true })
  process.stdout.write(stdout)
  await conn.close()
  break
}
