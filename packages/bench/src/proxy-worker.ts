/** The long way, in a process of its own so that its work is nobody's CPU time. Prints its port. */

import { delayProxy } from '@ssh/testkit'

const proxy = await delayProxy({
  target: { port: Number(process.argv[2]) },
  roundTripMs: 100,
  bytesPerSecond: 125_000_000,
})
process.stdout.write(`${proxy.port}\n`)
process.stdin.resume().once('end', () => process.exit(0))
