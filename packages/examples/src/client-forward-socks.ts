/**
 * A SOCKS proxy on this machine whose connections leave from the remote host (`ssh -D`). Whatever speaks SOCKS can use
 * it; here that is a second SSH connection.
 *
 *     client-forward-socks.ts user@gateway user@inner
 */

import { connect } from '@ssh/sdk'

const [gateway = 'localhost', inner = 'localhost'] = process.argv.slice(2)

await using conn = await connect(gateway)
await using proxy = await conn.forwardSocks('127.0.0.1', 0)
await using through = await connect(inner, { proxy: `socks5h://127.0.0.1:${proxy.port}` })
const { stdout } = await through.run('echo reached through SOCKS', { check: true })
process.stdout.write(stdout)
