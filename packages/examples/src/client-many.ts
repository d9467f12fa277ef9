/** Runs a command on several hosts, a few at once, and reports each result or error as it comes. */

import { runOnHosts } from '@ssh/sdk'

const destinations = process.argv.slice(2)

for await (const { destination, result, error } of runOnHosts(destinations, 'uname', {
  check: true,
  concurrency: 8,
  connectTimeout: '10s',
})) {
  console.log(`${destination}: ${error instanceof Error ? error.message : result?.stdout.trim()}`)
}
