/** Runs a command on several hosts at once and reports each result or error. */

import { run } from '@ssh/sdk'

const destinations = process.argv.slice(2)

const results = await Promise.allSettled(
  destinations.map((destination) => run(destination, 'uname', { check: true, connectTimeout: '10s' })),
)
for (const [index, result] of results.entries()) {
  const said = result.status === 'fulfilled' ? result.value.stdout.trim() : result.reason.message
  console.log(`${destinations[index]}: ${said}`)
}
