/** Gives up on a command that takes too long, or when an AbortSignal fires. */

import { connect, ProcessTimeoutError } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination, { connectTimeout: '10s' })
try {
  await conn.run('echo started; exec sleep 60', { timeout: '5s' })
} catch (error) {
  if (!(error instanceof ProcessTimeoutError)) throw error
  console.log(`${error.code} after printing "${error.stdout.trim()}"`)
}

const controller = new AbortController()
const running = conn.run('exec sleep 60', { signal: controller.signal })
controller.abort()
console.log(await running.catch((error: Error & { code?: string }) => `${error.name} ${error.code}`))
