/**
 * Reaches a host through another one (`ssh -J`): each has its own host key check, user and keys.
 *
 *     client-jump-host.ts user@gateway user@inner
 */

import { connect } from '@ssh/sdk'

const [gateway = 'localhost', inner = 'localhost'] = process.argv.slice(2)

await using conn = await connect(inner, { tunnel: gateway })
process.stdout.write((await conn.run('echo reached through a jump host', { check: true })).stdout)

// The same with a connection that is open already, and stays so.
await using jump = await connect(gateway)
await using nested = await jump.connectSsh(inner)
process.stdout.write((await nested.run('echo and once more', { check: true })).stdout)
