/** Displays of a server for a client that is ours, over streams in memory; the displays themselves are real ports. */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { boolean, struct, text, uint32 } from '@ssh/wire'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ClientConnection } from '../../src/client/client-connection.js'
import { establishClient } from '../../src/client/connect.js'
import type { RequestReply } from '../../src/connection/replies.js'
import { encodeX11Authority, parseX11Authority, x11Families } from '../../src/forwarding/x11-authority.js'
import { encodeX11Setup, X11SetupReader } from '../../src/forwarding/x11-setup.js'
import type { ServerConnection } from '../../src/server/server-connection.js'
import type { ForwardedX11 } from '../../src/server/x11-forwarding.js'
import type { SessionClient } from '../../src/session/session-client.js'
import type { SessionServer } from '../../src/session/session-server.js'
import { aliceOptions, passwordCallbacks, serving, streamPair, type TestServerOptions } from '../loopback.js'

const protocol = 'MIT-MAGIC-COOKIE-1'
const realCookie = Buffer.from('the real cookie!')
const accepted = Buffer.from('let in')

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-x11-test-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A display behind a path, as macOS has them. It notes the cookies that its clients bring. */
async function display(folder: string) {
  const cookies: string[] = []
  const name = join(folder, 'display:0')
  const server = createServer((socket) => {
    socket.on('error', () => {})
    const reader = new X11SetupReader()
    socket.on('data', (chunk) => {
      const read = reader.receive(chunk)
      if (read === undefined) return
      cookies.push(Buffer.from(read.setup.authorizationData).toString())
      socket.end(accepted)
    })
  })
  await new Promise<void>((resolve) => server.listen(name, resolve))
  onTestFinished(() => void server.close())
  const authPath = join(folder, 'authority')
  const entry = {
    family: x11Families.local,
    address: Buffer.from(hostname()),
    display: '0',
    protocol,
    data: realCookie,
  }
  await writeFile(authPath, encodeX11Authority([entry]))
  return { name, authPath, cookies }
}

/** A client on a server whose sessions may have X11, as far as its options say. */
async function connected(options: TestServerOptions = {}) {
  const [clientEnd, serverEnd] = streamPair()
  const forwarded: (ForwardedX11 | undefined)[] = []
  const errors: unknown[] = []
  const sessions: SessionServer[] = []
  const link = await serving(serverEnd, {
    x11Forwarding: true,
    callbacks: {
      ...passwordCallbacks,
      sessionRequested: ({ connection, accept }) => {
        const session: SessionServer = accept({
          onShell: () => true,
          onX11: async (request) => {
            const result = await connection.forwardX11(session, request)
            forwarded.push(result)
            return result !== undefined
          },
          onHandlerError: (error) => errors.push(error),
        })
        sessions.push(session)
      },
    },
    ...options,
  })
  const client = new ClientConnection(await establishClient('memory', { ...aliceOptions, sock: clientEnd }))
  onTestFinished(() => client.close())
  return { client, connection: link.connection satisfies ServerConnection, forwarded, errors, sessions }
}

async function openDisplay({ display: name, authPath }: ForwardedX11, cookie?: Uint8Array): Promise<Socket> {
  const [, number = ''] = /:(\d+)\./.exec(name) ?? []
  const entries = parseX11Authority(await readFile(authPath), authPath)
  const socket = createConnection(6000 + Number(number), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  const authorizationData = cookie ?? entries.find((entry) => entry.display === number)?.data ?? Buffer.alloc(0)
  socket.write(
    encodeX11Setup({
      byteOrder: 'big',
      majorVersion: 11,
      minorVersion: 0,
      authorizationProtocol: protocol,
      authorizationData,
    }),
  )
  return socket
}

async function allBytes(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

function given(forwarded: readonly (ForwardedX11 | undefined)[]): ForwardedX11 {
  const last = forwarded.at(-1)
  if (last === undefined) throw new Error('X11 was refused')
  return last
}

async function isListening(name: string): Promise<boolean> {
  const socket = createConnection(6000 + Number(/:(\d+)/.exec(name)?.[1]), '127.0.0.1')
  return await new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** The event loop turns until something is so. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

const request = {
  singleConnection: false,
  authenticationProtocol: protocol,
  authenticationCookie: 'ab'.repeat(16),
  screenNumber: 0,
}

/** An x11-req that may hold any text: ours refuses to be written with control characters. */
const rawRequest = struct('x11-req', {
  singleConnection: boolean,
  authenticationProtocol: text,
  authenticationCookie: text,
  screenNumber: uint32,
})

describe('a display for a session', () => {
  test('lets programs that know its cookie use the client’s, and goes with the session', async () => {
    const folder = await temporaryFolder()
    const { name, authPath, cookies } = await display(folder)
    const { client, forwarded } = await connected()
    const session = await client.openSessionChannel()
    const prepared = await client.prepareX11({ x11Display: `${name}`, x11AuthPath: authPath })
    expect(await session.requestX11(prepared.grantTo(session).request)).toBe(true)
    const x11 = given(forwarded)
    expect(x11.display).toMatch(/^localhost:\d\d+\.0$/)
    expect((await stat(x11.authPath)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(x11.authPath))).mode & 0o777).toBe(0o700)
    expect((await readFile(x11.authPath)).includes(realCookie)).toBe(false)

    expect(await allBytes(await openDisplay(x11))).toBe(accepted.toString())
    expect(cookies).toEqual([realCookie.toString()])
    expect(await allBytes(await openDisplay(x11, Buffer.alloc(16)))).toContain('authorization is wrong')
    expect(cookies).toHaveLength(1)

    session.abort()
    await until(async () => !existsSync(dirname(x11.authPath)) && !(await isListening(x11.display)))
  })

  test('is taken by the first program where the client wants one only', async () => {
    const folder = await temporaryFolder()
    const { name, authPath } = await display(folder)
    const { client, forwarded } = await connected()
    const session = await client.openSessionChannel()
    const prepared = await client.prepareX11({ x11Display: name, x11AuthPath: authPath, x11SingleConnection: true })
    expect(await session.requestX11(prepared.grantTo(session).request)).toBe(true)
    expect(await allBytes(await openDisplay(given(forwarded)))).toBe(accepted.toString())
    await until(async () => !(await isListening(given(forwarded).display)))
  })

  test('is one for each session, and there is a second one only in another', async () => {
    const { client, forwarded } = await connected()
    const sessions = await Promise.all([client.openSessionChannel(), client.openSessionChannel()])
    for (const session of sessions) expect(await session.requestX11(request)).toBe(true)
    expect(new Set(forwarded.map((each) => each?.display)).size).toBe(2)
    const [first] = sessions
    expect(await first?.requestX11(request)).toBe(false)
  })

  test.for([
    ['a newline in its cookie', { authenticationCookie: 'aa\nadd :1 . bb' }],
    ['a cookie that is not hexadecimal', { authenticationCookie: '$(reboot)' }],
    ['an empty cookie', { authenticationCookie: '' }],
    ['another protocol', { authenticationProtocol: 'XDM-AUTHORIZATION-1' }],
    ['a newline in its protocol', { authenticationProtocol: `${protocol}\nadd` }],
  ] as const)('is not for a request with %s (D13)', async ([, change]) => {
    const { client, forwarded } = await connected()
    const session = await client.openSessionChannel()
    const data = rawRequest.encode({ ...request, ...change })
    const reply = await new Promise<RequestReply>((resolve) => session.channel.request('x11-req', data, {}, resolve))
    expect(reply.outcome).toBe('failure')
    expect(forwarded[0]).toBeUndefined()
  })

  test('is never asked for with a cookie that holds a newline (D13)', async () => {
    const { client } = await connected()
    const session = await client.openSessionChannel()
    const asked = session.requestX11({ ...request, authenticationCookie: 'aa\nadd :1 . bb' })
    await expect(asked).rejects.toMatchObject({ code: 'ERR_SSH_WIRE_INVALID_VALUE' })
  })

  test('is not to be had unless the option says so', async () => {
    const { client } = await connected({ x11Forwarding: false })
    const session = await client.openSessionChannel()
    expect(await session.requestX11(request)).toBe(false)
  })

  test('has the first number that is free, at both loopback addresses', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void taken.close())
    const address = taken.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const offset = address.port - 6000
    const { client, forwarded } = await connected({ x11DisplayOffset: offset })
    const session = await client.openSessionChannel()
    expect(await session.requestX11(request)).toBe(true)
    expect(Number(/:(\d+)/.exec(given(forwarded).display)?.[1])).toBeGreaterThan(offset)
  })

  test('leaves what others wrote into a shared file, and takes only its own away', async () => {
    const folder = await temporaryFolder()
    const authPath = join(folder, 'shared')
    const other = { family: x11Families.wild, address: Buffer.alloc(0), display: '3', protocol, data: Buffer.from('x') }
    await writeFile(authPath, encodeX11Authority([other]))
    const { client, forwarded } = await connected({ x11AuthPath: authPath })
    const sessions = await Promise.all([client.openSessionChannel(), client.openSessionChannel()])
    await Promise.all(sessions.map((session) => session.requestX11(request)))
    expect(forwarded.map((each) => each?.authPath)).toEqual([authPath, authPath])
    expect(parseX11Authority(await readFile(authPath), '')).toHaveLength(3)
    await client.close()
    await until(async () => parseX11Authority(await readFile(authPath), '').length === 1)
    expect(parseX11Authority(await readFile(authPath), '')).toEqual([other])
  })

  test('is refused, and nothing stays, when the file of its cookie is none', async () => {
    const folder = await temporaryFolder()
    const authPath = join(folder, 'broken')
    await writeFile(authPath, 'not an authority')
    const { client, errors } = await connected({ x11AuthPath: authPath })
    const session = await client.openSessionChannel()
    expect(await session.requestX11(request)).toBe(false)
    expect(errors).toMatchObject([{ code: 'ERR_SSH_X11_MALFORMED_AUTHORITY' }])
    expect(await readFile(authPath, 'utf8')).toBe('not an authority')
  })

  test('a session that ends while its display is made leaves nothing', async () => {
    const { client, forwarded } = await connected()
    const session: SessionClient = await client.openSessionChannel()
    const asked = session.requestX11(request).catch((error: unknown) => error)
    session.abort()
    await asked
    await until(() => forwarded.length === 1)
    expect(forwarded).toEqual([undefined])
  })
})

describe('a client without a display', () => {
  test('says what is missing', async () => {
    const { client } = await connected()
    const none = { x11Display: 'no display' }
    await expect(client.prepareX11(none)).rejects.toMatchObject({ code: 'ERR_SSH_X11_DISPLAY' })
    const folder = await temporaryFolder()
    const x11AuthPath = join(folder, 'broken')
    await writeFile(x11AuthPath, 'x')
    await expect(client.prepareX11({ x11Display: ':0', x11AuthPath })).rejects.toMatchObject({
      code: 'ERR_SSH_X11_MALFORMED_AUTHORITY',
    })
    const signal = AbortSignal.abort()
    await expect(client.prepareX11({ x11Display: ':0', signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    // No file and no name service is waited for.
    const controller = new AbortController()
    let failure: unknown
    client.prepareX11({ x11Display: 'localhost:0', signal: controller.signal }).catch((error: unknown) => {
      failure = error
    })
    controller.abort()
    for (let step = 0; step < 20; step++) await Promise.resolve()
    expect(failure).toMatchObject({ code: 'ABORT_ERR' })
  })
})
