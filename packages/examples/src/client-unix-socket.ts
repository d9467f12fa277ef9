/**
 * Carries a Unix socket of this machine to one of the remote host, for instance a database's or Docker's.
 *
 *     client-unix-socket.ts user@host /run/there.sock
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from '@ssh/sdk'

const [destination = 'localhost', remotePath = '/run/there.sock'] = process.argv.slice(2)
const folder = await mkdtemp(join(tmpdir(), 'forward-'))
const localPath = join(folder, 'here.sock')

await using conn = await connect(destination)
await using _listener = await conn.forwardLocalPath(localPath, remotePath)
const socket = createConnection({ path: localPath, allowHalfOpen: true })
socket.end('ping\n')
process.stdout.write(await text(socket))
await rm(folder, { recursive: true })
