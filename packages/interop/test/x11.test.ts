/** X11 both ways: ssh -X and -Y to our server, our client to sshd; displays that are ours and a real one. */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ChannelError, lines, type ServerProcess } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  connectTo,
  type ForeignServer,
  lacks,
  makeKey,
  mustRun,
  peer,
  type RunningProgram,
  runInShell,
  type SdkServer,
  ssh,
  startProgram,
  startSdkServer,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../src/index.js'

const protocol = 'MIT-MAGIC-COOKIE-1'
const realCookie = '00112233445566778899aabbccddeeff'

/** A display on a TCP port that notes what its clients say first, lets them in, and answers in capitals. */
class Display {
  readonly name: string
  readonly setups: { readonly protocol: string; readonly cookie: string }[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('The display has no port')
    this.name = `127.0.0.1:${address.port - 6000}`
    this.#server = server
    server.on('connection', (socket) => this.#serve(socket))
  }

  static async open(): Promise<Display> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Display(server)
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', (setup) => {
      const [protocolLength, dataLength] = [setup.readUInt16LE(6), setup.readUInt16LE(8)]
      const dataStart = 12 + Math.ceil(protocolLength / 4) * 4
      this.setups.push({
        protocol: setup.toString('latin1', 12, 12 + protocolLength),
        cookie: setup.toString('hex', dataStart, dataStart + dataLength),
      })
      socket.write(accepted)
      socket.on('data', (chunk) => socket.write(chunk.toString().toUpperCase()))
    })
  }
}

/** Success, version 11, no further words. */
const accepted = Buffer.from([1, 0, 11, 0, 0, 0, 0, 0])

/** What a program says first to a display, in little-endian order. */
function setupOf(cookie: string): Buffer {
  const head = Buffer.from([0x6c, 0, 11, 0, 0, 0, protocol.length, 0, cookie.length / 2, 0, 0, 0])
  return Buffer.concat([head, Buffer.from(`${protocol}\0\0`), Buffer.from(cookie, 'hex')])
}

/** Connects as a program on the server's side does. */
async function openDisplay(display: string, cookie: string): Promise<Socket> {
  const port = 6000 + Number(/:(\d+)/.exec(display)?.[1])
  const socket = createConnection(port, '127.0.0.1')
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.write(setupOf(cookie))
  return socket
}

/** The first bytes that come; none when the connection is closed without. */
async function firstBytes(socket: Socket): Promise<Buffer> {
  return await new Promise((resolve) => {
    socket.once('data', resolve)
    socket.once('close', () => resolve(Buffer.alloc(0)))
  })
}

/** Everything until the other side ends. */
async function allBytes(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Whether anybody still listens for a display. */
async function isListening(display: string): Promise<boolean> {
  const socket = createConnection(6000 + Number(/:(\d+)/.exec(display)?.[1]), '127.0.0.1')
  return await new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** An Xauthority file that xauth made. */
async function authorityOf(folder: TemporaryFolder, display: string): Promise<string> {
  const file = join(folder.path, `xauthority-${display.replace(/\W/g, '-')}`)
  await mustRun([peer('xauth'), '-q', '-f', file, 'add', display, '.', realCookie])
  return file
}

const needed = ['ssh', 'sshd', 'ssh-keygen', 'xauth'] as const

describe.skipIf(lacks(...needed))('X11', () => {
  const folder = temporaryFolder()
  let display: Display
  let authority: string
  beforeAll(async () => {
    display = await Display.open()
    authority = await authorityOf(folder, display.name)
  })
  afterAll(() => {
    display?.close()
    folder.remove()
  })

  describe('ssh on our server', () => {
    let server: SdkServer
    /** The process whose display is tried, ended by the test. */
    let running: (process: ServerProcess) => void = () => {}
    beforeAll(async () => {
      const restricted = await makeKey(folder.path, 'restricted', 'ed25519')
      server = await startSdkServer({
        x11Forwarding: true,
        moreAuthorizedKeys: [`no-X11-forwarding ${restricted.publicLine}`],
        processFactory: (process) => (process.command === 'wait' ? running(process) : runInShell(process)),
      })
    })
    afterAll(() => server?.stop())

    const trusted = () => ({ extraArguments: ['-Y'], env: { DISPLAY: display.name, XAUTHORITY: authority } })
    const started = () => new Promise<ServerProcess>((resolve) => (running = resolve))

    test('a program gets a display and a cookie file that xauth reads, and reaches the display of the client', async () => {
      const starting = started()
      const session = ssh(server, 'wait', trusted())
      const process = await starting
      const name = process.x11Display ?? ''
      expect(name).toMatch(/^localhost:[1-9]\d+\.0$/)
      expect(process.env.get('DISPLAY')).toBe(name)
      const file = process.env.get('XAUTHORITY') ?? ''
      // Ssh invented it: the real one never comes here.
      const [, cookie = ''] =
        /MIT-MAGIC-COOKIE-1\s+(\w{32})/.exec(await mustRun([peer('xauth'), '-f', file, 'list'])) ?? []
      expect(cookie).not.toBe(realCookie)

      const before = display.setups.length
      const socket = await openDisplay(name, cookie)
      expect(await firstBytes(socket)).toEqual(accepted)
      expect(display.setups.slice(before)).toEqual([{ protocol, cookie: realCookie }])
      socket.write('draw a line')
      expect((await firstBytes(socket)).toString()).toBe('DRAW A LINE')

      const stranger = await openDisplay(name, 'f'.repeat(32))
      expect((await allBytes(stranger)).length).toBe(0)
      expect(display.setups.length).toBe(before + 1)

      process.exit(0)
      socket.destroy()
      expect((await session).status).toBe(0)
      await until(async () => !(await isListening(name)) && !existsSync(file))
    })

    test('each session has a display of its own', async () => {
      const names: (string | undefined)[] = []
      running = (process) => {
        names.push(process.x11Display)
        if (names.length === 2) for (const end of ends) end()
        else ends.push(() => process.exit(0))
        if (names.length === 2) process.exit(0)
      }
      const ends: (() => void)[] = []
      await Promise.all([ssh(server, 'wait', trusted()), ssh(server, 'wait', trusted())])
      expect(new Set(names).size).toBe(2)
    })

    test('a key may forbid it, and so may the options', async () => {
      const clientKey = { ...server.clientKey, path: join(folder.path, 'restricted') }
      const refused = await ssh({ ...server, clientKey }, 'echo "[$DISPLAY]"', trusted())
      expect(refused.stderr).toMatch(/X11 forwarding request failed/)
      await using plain = await startSdkServer()
      const result = await ssh(plain, 'true', trusted())
      expect([result.status, /X11 forwarding request failed/.test(result.stderr)]).toEqual([0, true])
    })

    test('the cookie is added to a file of choice under its lock, and taken from it', async () => {
      const file = join(folder.path, 'shared')
      await mustRun([peer('xauth'), '-q', '-f', file, 'add', '127.0.0.1:7', '.', 'aa'])
      await using shared = await startSdkServer({ x11Forwarding: true, x11AuthPath: file, x11DisplayOffset: 40 })
      const { stdout } = await ssh(shared, `${peer('xauth')} list; echo $DISPLAY`, trusted())
      expect(stdout.toString()).toMatch(/:7 .* aa\n.*unix:4\d\s+MIT-MAGIC-COOKIE-1\s+\w{32}\nlocalhost:4\d\.0\n$/)
      await until(async () => !/unix:4/.test(await mustRun([peer('xauth'), '-f', file, 'list'])))
      expect(await mustRun([peer('xauth'), '-f', file, 'list'])).toMatch(/:7 .* aa\n$/)
      expect(existsSync(`${file}-c`) || existsSync(`${file}-l`)).toBe(false)
    })
  })

  describe('our client on sshd', () => {
    let server: ForeignServer
    beforeAll(async () => {
      server = await startSshd({ config: { X11Forwarding: 'yes' } })
    })
    afterAll(() => server?.stop())

    const mine = () => ({ x11Forwarding: true as const, x11Display: display.name, x11AuthPath: authority })
    /** Prints the display and its cookie, and stays until its input ends. */
    const showDisplay = 'echo $DISPLAY; xauth list $DISPLAY; cat'

    async function shown(process: { stdout: NodeJS.ReadableStream }): Promise<{ name: string; cookie: string }> {
      const reader = lines(process.stdout as never)[Symbol.asyncIterator]()
      const name = String((await reader.next()).value)
      const [, cookie = ''] = /MIT-MAGIC-COOKIE-1\s+(\w{32})/.exec(String((await reader.next()).value)) ?? []
      return { name, cookie }
    }

    test('a program on the server reaches our display; the cookie it has is not the real one', async () => {
      await using conn = await connectTo(server)
      const process = await conn.createProcess(showDisplay, mine())
      const { name, cookie } = await shown(process)
      expect(cookie).toMatch(/^\w{32}$/)
      expect(cookie).not.toBe(realCookie)
      const before = display.setups.length
      const socket = await openDisplay(name, cookie)
      expect(await firstBytes(socket)).toEqual(accepted)
      expect(display.setups.slice(before)).toEqual([{ protocol, cookie: realCookie }])
      socket.write('x'.repeat(300_000))
      let count = 0
      for await (const chunk of socket) {
        count += chunk.length
        if (count === 300_000) break
      }
      process.stdin.end()
      await process.wait({ check: true })
    })

    test('whoever does not know the cookie is told so, and never reaches the display', async () => {
      await using conn = await connectTo(server)
      const process = await conn.createProcess(showDisplay, mine())
      const { name } = await shown(process)
      const before = display.setups.length
      const answer = await allBytes(await openDisplay(name, '0'.repeat(32)))
      expect(answer[0]).toBe(0)
      expect(answer.toString('latin1', 8)).toMatch(/authorization is wrong/)
      expect(display.setups.length).toBe(before)
    })

    test('a single connection is one', async () => {
      await using conn = await connectTo(server)
      const process = await conn.createProcess(showDisplay, { ...mine(), x11SingleConnection: true })
      const { name, cookie } = await shown(process)
      expect(await firstBytes(await openDisplay(name, cookie))).toEqual(accepted)
      await until(async () => !(await isListening(name)))
    })

    test('a server that does not forward refuses, which may be ignored', async () => {
      await using plain = await startSshd({ config: { X11Forwarding: 'no' } })
      await using conn = await connectTo(plain, mine())
      const error: ChannelError = await conn.run('true').catch((reason) => reason)
      expect(error).toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED', details: { requestType: 'x11-req' } })
      const process = await conn.createProcess('echo "[$DISPLAY]"', { x11Forwarding: 'ignore-failure' })
      expect(process.refused).toEqual([{ requestType: 'x11-req' }])
      expect((await process.wait()).stdout).toBe('[]\n')
    })
  })

  describe.skipIf(lacks('Xvfb', 'xdpyinfo'))('a real display', () => {
    let xvfb: RunningProgram
    let name: string
    let cookies: string
    beforeAll(async () => {
      cookies = join(folder.path, 'xvfb')
      // The number of a display is not known before it runs, and any host's entry opens it.
      await mustRun([peer('xauth'), '-q', '-f', cookies, 'add', ':0', '.', realCookie])
      xvfb = startProgram([peer('Xvfb'), '-displayfd', '1', '-nolisten', 'tcp', '-auth', cookies])
      name = `:${await xvfb.firstLine}`
      await mustRun([peer('xauth'), '-q', '-f', cookies, 'add', name, '.', realCookie])
    })
    afterAll(() => xvfb?.stop())

    test.for(['-X', '-Y'])('xdpyinfo asks it from our server, by ssh %s', async (option) => {
      await using server = await startSdkServer({ x11Forwarding: true })
      const env = { DISPLAY: name, XAUTHORITY: cookies }
      const { stdout, stderr } = await ssh(server, peer('xdpyinfo'), { extraArguments: [option], env })
      expect(stdout.toString(), stderr).toMatch(/^name of display:\s+localhost:\d+\.0\n.*vendor string:\s+The X\.Org/s)
    })

    test('xdpyinfo asks it from sshd, by our client, with and without a right cookie', async () => {
      await using server = await startSshd({ config: { X11Forwarding: 'yes' } })
      await using conn = await connectTo(server, { x11Forwarding: true, x11Display: name, x11AuthPath: cookies })
      const { stdout } = await conn.run('xdpyinfo', { check: true })
      expect(stdout).toMatch(/^name of display:\s+localhost:\d+\.0\n.*vendor string:\s+The X\.Org/s)
      const denied = await conn.run('xdpyinfo', { x11AuthPath: join(folder.path, 'none') })
      expect(denied.stderr).toMatch(/unable to open display/)
      const strange = await conn.run(`xauth add $DISPLAY . ${'a'.repeat(32)}; xdpyinfo`)
      expect(strange.stderr).toMatch(/X11 forwarding: the authorization is wrong/)
    })
  })
})
