/** What goes wrong, by class and code: a host key that is not the expected one, a wrong password, a failed command. */

import { connect, HostKeyNotVerifiable, PermissionDenied, ProcessError } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

try {
  await connect(destination, { hostKeyFingerprint: 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU' })
} catch (error) {
  if (!(error instanceof HostKeyNotVerifiable)) throw error
  console.log(`${error.code}: ${error.message}`)
}

try {
  await connect(destination, { clientKeys: null, password: 'guess' })
} catch (error) {
  if (!(error instanceof PermissionDenied)) throw error
  console.log(`${error.code}: ${error.message}`)
}

await using conn = await connect(destination)
try {
  await conn.run('ls /no/such/folder', { check: true })
} catch (error) {
  if (!(error instanceof ProcessError)) throw error
  console.log(`${error.code}: status ${error.exitStatus}, ${error.stderr.trim()}`)
}
