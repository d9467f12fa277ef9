/** X11 of processes: a client and a server of ours, with a display behind a path. */

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ServerProcess, SshClientConnection } from '../src/index.js'
import { embedded } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

/** A display without a cookie. It answers every client, whatever that says first. */
async function display() {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-x11-test-'))
  const x11Display = join(folder, 'display:0')
  const server = createServer((socket) => void socket.once('data', () => socket.end('welcome')))
  await new Promise<void>((resolve) => server.listen(x11Display, resolve))
  onTestFinished(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  return { x11Display, x11AuthPath: join(folder, 'none') }
}

/** Says which display it has, and stays until its input ends. */
const showDisplay = (process: ServerProcess) => {
  process.stdout.write(`${process.x11Display} ${process.env.get('DISPLAY')} ${process.env.has('XAUTHORITY')}`)
  process.stdin.resume().once('end', () => process.exit(0))
}

const shown = async (conn: SshClientConnection, options: Parameters<SshClientConnection['run']>[1] = {}) =>
  (await conn.run('show', options)).stdout

test('a process has a display that stands for the client’s', async () => {
  const where = await display()
  const { connect } = await embedded({ x11Forwarding: true, processFactory: showDisplay })
  const conn = await connect()
  const process = await conn.createProcess('show', { x11Forwarding: true, ...where })
  const [text] = await once(process.stdout, 'data')
  const [, name, port] = /^(localhost:(\d+)\.0) \1 true$/.exec(String(text)) ?? []
  expect(name).toBeDefined()
  // Without the cookie the display is not reached, but whoever asks is answered.
  const socket = createConnection(6000 + Number(port), '127.0.0.1')
  socket.write(Buffer.from('6c000b0000000000000000 00'.replaceAll(' ', ''), 'hex'))
  const [answer] = await once(socket, 'data')
  expect(answer.toString('latin1')).toContain('the authorization is wrong')
  socket.destroy()
  process.stdin.end()
  await process.wait({ check: true })
})

test('it may be asked for by all processes of a connection, and left out by one', async () => {
  const where = await display()
  const { connect } = await embedded({ x11Forwarding: true, processFactory: showDisplay })
  const conn = await connect({ x11Forwarding: true, ...where })
  expect(await shown(conn)).toMatch(/^localhost:\d+\.0 localhost:\d+\.0 true$/)
  expect(await shown(conn, { x11Forwarding: false })).toBe('undefined undefined false')
})

test('a server that does not forward refuses, which may be ignored', async () => {
  const where = await display()
  const { connect } = await embedded({ processFactory: showDisplay })
  const conn = await connect()
  await expect(conn.run('show', { x11Forwarding: true, ...where })).rejects.toMatchObject({
    code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
    details: { requestType: 'x11-req' },
  })
  const process = await conn.createProcess('show', { x11Forwarding: 'ignore-failure', ...where })
  expect(process.refused).toEqual([{ requestType: 'x11-req' }])
  process.stdin.end()
  expect((await process.wait()).stdout).toBe('undefined undefined false')
})

test('a client without a display says so before anything runs, or goes on without', async () => {
  const { connect } = await embedded({ x11Forwarding: true, processFactory: showDisplay })
  const conn = await connect()
  const none = { x11Display: 'nowhere' }
  await expect(conn.run('show', { x11Forwarding: true, ...none })).rejects.toMatchObject({
    code: 'ERR_SSH_X11_DISPLAY',
  })
  expect(await shown(conn, { x11Forwarding: 'ignore-failure', ...none })).toBe('undefined undefined false')
})

test('an unknown form of the option is refused by name', async () => {
  const { connect } = await embedded({ x11Forwarding: true, processFactory: showDisplay })
  const conn = await connect()
  // @ts-expect-error: not one of the forms
  await expect(conn.run('show', { x11Forwarding: 'maybe' })).rejects.toThrow(/x11Forwarding/)
})
