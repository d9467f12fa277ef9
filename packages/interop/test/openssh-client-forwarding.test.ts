/** OpenSSH's ssh and PuTTY's plink, forwarding through our server. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { SshServerCallbacks } from '@ssh/sdk'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  connectTo,
  freePort,
  knownHostsOf,
  lacks,
  makeKey,
  mustRun,
  plink,
  type RunningProgram,
  type SdkServer,
  type SdkServerOptions,
  ssh,
  startPlink,
  startSdkServer,
  startSsh,
  startSshd,
  temporaryFolder,
  untilListening,
} from '../src/index.js'

const data = randomBytes(8 << 20)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A program that gives back, after the end of what it got, all of it; on a port or a path. */
async function echoServer(path?: string): Promise<{ readonly port: number; readonly path: string }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    const chunks: Buffer[] = []
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    socket.on('end', () => socket.end(Buffer.concat(chunks)))
  })
  server.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path })
  await once(server, 'listening')
  closings.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: path === undefined ? (server.address() as AddressInfo).port : 0, path: path ?? '' }
}

const closings: (() => void)[] = []
afterAll(() => {
  for (const close of closings) close()
})

/** Sends the data, ends that direction, and reads until the other one has ended too. */
async function exchange(where: { readonly port: number } | { readonly path: string }): Promise<string> {
  const socket = connect({ ...where, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
  socket.end(data)
  await once(socket, 'end')
  return hash(Buffer.concat(chunks))
}

/** Exchanges once there is somebody to exchange with. */
async function exchangeAt(program: RunningProgram, path: string): Promise<string> {
  const outcome = await vi
    .waitFor(() => exchange({ path }), { timeout: 10_000, interval: 50 })
    .catch((cause) => {
      throw new Error(`Nothing at ${path}:\n${program.log()}`, { cause })
    })
  return outcome
}

/** A server that lets another key in too, with what a line of authorized_keys says of it. */
async function serverWith(keyOptions: string, options: SdkServerOptions = {}) {
  const folder = temporaryFolder()
  onTestFinished(() => folder.remove())
  const clientKey = await makeKey(folder.path, 'restricted', 'ed25519')
  const server = await startSdkServer({ moreAuthorizedKeys: [`${keyOptions} ${clientKey.publicLine}`], ...options })
  onTestFinished(() => server.stop())
  return { ...server, clientKey }
}

describe.skipIf(lacks('ssh', 'ssh-keygen'))('ssh forwards through our server', () => {
  const folder = temporaryFolder()
  let server: SdkServer
  let running: RunningProgram | undefined
  beforeAll(async () => {
    server = await startSdkServer({
      allowTcpForwarding: true,
      allowStreamLocalForwarding: true,
      // Keys change several times while the data is on its way.
      rekeyBytes: '3m',
    })
  })
  afterEach(() => running?.stop())
  afterAll(async () => {
    await server?.stop()
    folder.remove()
  })

  test.for(['port to port', 'port to path', 'path to port', 'path to path'])('-L, %s', async (kind) => {
    const to = kind.endsWith('port')
      ? await echoServer()
      : await echoServer(join(folder.path, kind.replaceAll(' ', '_')))
    const there = to.path === '' ? `127.0.0.1:${to.port}` : to.path
    if (kind.startsWith('port')) {
      const port = await freePort()
      running = startSsh(server, ['-L', `127.0.0.1:${port}:${there}`])
      await untilListening(port, running)
      expect(await exchange({ port })).toBe(hash(data))
    } else {
      const path = join(folder.path, `${kind.replaceAll(' ', '_')}_here`)
      running = startSsh(server, ['-L', `${path}:${there}`])
      expect(await exchangeAt(running, path)).toBe(hash(data))
    }
  })

  test.for(['port to port', 'port to path', 'path to port', 'path to path'])('-R, %s', async (kind) => {
    const name = `r_${kind.replaceAll(' ', '_')}`
    const to = kind.endsWith('port') ? await echoServer() : await echoServer(join(folder.path, name))
    const there = to.path === '' ? `127.0.0.1:${to.port}` : to.path
    if (kind.startsWith('port')) {
      const port = await freePort()
      running = startSsh(server, ['-R', `${port}:${there}`])
      await untilListening(port, running)
      expect(await exchange({ port })).toBe(hash(data))
      await running.stop()
      await vi.waitFor(async () => expect(exchange({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' }))
    } else {
      const path = join(folder.path, `${name}_here`)
      running = startSsh(server, ['-R', `${path}:${there}`])
      expect(await exchangeAt(running, path)).toBe(hash(data))
    }
  })

  test('-R with port 0 prints the port that we chose', async () => {
    const to = await echoServer()
    running = startSsh(server, ['-R', `0:127.0.0.1:${to.port}`, '-R', `localhost:0:127.0.0.1:${to.port}`])
    const ports = await vi.waitFor(() => {
      const found = [...(running?.log() ?? '').matchAll(/Allocated port (\d+) for remote forward/g)].map(([, port]) =>
        Number(port),
      )
      expect(found).toHaveLength(2)
      return found
    }, 10_000)
    expect(new Set(ports).size).toBe(2)
    for (const port of ports) expect(await exchange({ port })).toBe(hash(data))
  })

  test('-R of a port that is taken fails', async () => {
    const taken = await echoServer()
    const { status, stderr } = await ssh(server, undefined, {
      extraArguments: ['-N', '-R', `${taken.port}:127.0.0.1:1`],
      config: { ExitOnForwardFailure: 'yes' },
    })
    expect([status, stderr]).toEqual([255, expect.stringMatching(/remote port forwarding failed for listen port/)])
  })

  test('-R given back by the control socket', async () => {
    const to = await echoServer()
    const port = await freePort()
    const control = join(folder.path, 'control')
    running = startSsh(server, ['-R', `${port}:127.0.0.1:${to.port}`], {
      config: { ControlMaster: 'yes', ControlPath: control },
    })
    await untilListening(port, running)
    await mustRun(['ssh', '-S', control, '-O', 'cancel', '-R', `${port}:127.0.0.1:${to.port}`, 'x'])
    await expect(exchange({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await mustRun(['ssh', '-S', control, '-O', 'forward', '-R', `${port}:127.0.0.1:${to.port}`, 'x'])
    expect(await exchange({ port })).toBe(hash(data))
  })

  test.for(['--socks5', '--socks5-hostname', '--socks4', '--socks4a'])('-D with curl %s', async (option) => {
    const http = createHttpServer((request, response) => void request.pipe(response))
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    onTestFinished(() => void http.close())
    const port = await freePort()
    running = startSsh(server, ['-D', `127.0.0.1:${port}`])
    await untilListening(port, running)
    using here = temporaryFolder()
    const url = `http://${option.includes('hostname') || option.endsWith('4a') ? 'localhost' : '127.0.0.1'}:${(http.address() as AddressInfo).port}/`
    const [sent, got] = [here.write('sent', data), join(here.path, 'got')]
    await mustRun(['curl', '-sS', option, `127.0.0.1:${port}`, '--data-binary', `@${sent}`, '-o', got, url])
    expect(hash(readFileSync(got))).toBe(hash(data))
    // Nobody listens at the other place: curl is told so.
    const failed = mustRun(['curl', '-sS', option, `127.0.0.1:${port}`, 'http://127.0.0.1:1/'])
    await expect(failed).rejects.toThrow(/curl/)
    expect(running.log()).toMatch(/open failed: connect failed: ECONNREFUSED/)
  })

  test('-W', async () => {
    const to = await echoServer()
    const { status, stdout } = await ssh(server, undefined, {
      extraArguments: ['-W', `127.0.0.1:${to.port}`],
      input: data,
    })
    expect([status, hash(stdout)]).toEqual([0, hash(data)])
    const { stderr } = await ssh(server, undefined, { extraArguments: ['-v', '-W', '127.0.0.1:1'] })
    expect(stderr).toMatch(/open failed: connect failed: ECONNREFUSED/)
  })

  test('-J through one of our servers to another one', async () => {
    await using inner = await startSdkServer({ allowTcpForwarding: true })
    const to = await echoServer()
    using here = temporaryFolder()
    const config = here.write(
      'config',
      `Host *
        UserKnownHostsFile ${here.write('known_hosts', knownHostsOf(server) + knownHostsOf(inner))}
        GlobalKnownHostsFile /dev/null
        IdentitiesOnly yes
        IdentityAgent none
        BatchMode yes
        IdentityFile ${server.clientKey.path}
        IdentityFile ${inner.clientKey.path}\n`,
    )
    const jump = ['-F', config, '-J', `${server.username}@${server.host}:${server.port}`]
    const echoed = await ssh(inner, 'cat', { extraArguments: jump, input: data })
    expect([echoed.status, hash(echoed.stdout)]).toEqual([0, hash(data)])
    const further = ['-W', `127.0.0.1:${to.port}`]
    const { stdout } = await ssh(inner, undefined, { extraArguments: [...jump, ...further], input: data })
    expect(hash(stdout)).toBe(hash(data))
  })

  test('many connections at once', async () => {
    const to = await echoServer()
    const port = await freePort()
    running = startSsh(server, ['-L', `127.0.0.1:${port}:127.0.0.1:${to.port}`])
    await untilListening(port, running)
    const small = randomBytes(50_000)
    const hashes = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        const chunks: Buffer[] = []
        socket.on('data', (chunk: Buffer) => void chunks.push(chunk)).end(small)
        await once(socket, 'end')
        return hash(Buffer.concat(chunks))
      }),
    )
    expect(new Set(hashes)).toEqual(new Set([hash(small)]))
  })

  test('a session beside what is forwarded, after which ssh wants no more of them', async () => {
    // It says so only to what it takes for one of its own.
    await using other = await startSdkServer({ allowTcpForwarding: true, serverVersion: 'OpenSSH_9.9' })
    const port = await freePort()
    const { status, stdout, stderr } = await ssh(other, 'echo in', {
      extraArguments: ['-v', '-L', `127.0.0.1:${port}:127.0.0.1:1`],
    })
    expect([status, stdout.toString()]).toEqual([0, 'in\n'])
    expect(stderr).toContain('Requesting no-more-sessions@openssh.com')
  })
})

describe.skipIf(lacks('ssh', 'ssh-keygen'))('ssh is refused by our server', () => {
  const refused = /open failed: administratively prohibited: this forwarding is not permitted/

  /** What ssh says of a connection through -L, and through -R. */
  async function attempts(server: Parameters<typeof ssh>[0], to: string, listen: string) {
    const direct = await ssh(server, undefined, { extraArguments: ['-W', to] })
    const config = { ExitOnForwardFailure: 'yes' }
    const remote = startSsh(server, ['-v', '-R', listen], { config })
    onTestFinished(() => remote.stop())
    const answer = await vi.waitFor(() => {
      const found = /remote (?:port|forward) (?:forwarding failed|success|failure)[^\n]*/i.exec(remote.log())
      expect(found, remote.log()).not.toBeNull()
      return String(found?.[0])
    }, 10_000)
    await remote.stop()
    return { direct: direct.stderr, remote: answer }
  }

  test('when nothing allows it, which is the default', async () => {
    await using server = await startSdkServer()
    const to = await echoServer()
    const { direct, remote } = await attempts(server, `127.0.0.1:${to.port}`, `0:127.0.0.1:${to.port}`)
    expect(direct).toMatch(refused)
    expect(remote).toMatch(/fail/)
  })

  test('by no-port-forwarding, restrict, permitopen and permitlisten of its key', async () => {
    const to = await echoServer()
    const port = await freePort()
    const here = `127.0.0.1:${to.port}`
    const rows: [options: string, opens: boolean, listens: boolean][] = [
      ['no-port-forwarding', false, false],
      ['restrict', false, false],
      ['restrict,port-forwarding', true, true],
      [`permitopen="${here}"`, true, true],
      ['permitopen="127.0.0.1:1"', false, true],
      [`permitlisten="localhost:${port}"`, true, true],
      [`permitlisten="${port}"`, true, true],
      ['permitlisten="localhost:1"', true, false],
    ]
    for (const [options, opens, listens] of rows) {
      const server = await serverWith(options, { allowTcpForwarding: true })
      const { direct, remote } = await attempts(server, here, `${port}:${here}`)
      expect([options, refused.test(direct)]).toEqual([options, !opens])
      expect([options, /success/.test(remote)]).toEqual([options, listens])
    }
  })

  test('by the reason that a callback gives', async () => {
    const { ChannelOpenError } = await import('@ssh/sdk')
    const callbacks: SshServerCallbacks = {
      connectionRequested: (host) => {
        throw new ChannelOpenError(host === 'busy' ? 4 : 2, `${host} is not for you`)
      },
    }
    await using server = await startSdkServer({ serverFactory: () => callbacks })
    const busy = await ssh(server, undefined, { extraArguments: ['-W', 'busy:1'] })
    expect(busy.stderr).toMatch(/open failed: resource shortage: busy is not for you/)
    const other = await ssh(server, undefined, { extraArguments: ['-W', 'other:1'] })
    expect(other.stderr).toMatch(/open failed: connect failed: other is not for you/)
  })
})

describe.skipIf(lacks('ssh', 'ssh-keygen'))('ssh is served by the builder', () => {
  test('by a handler in this process, to the end of both directions', async () => {
    await using server = await startSdkServer({
      serverFactory: () => ({
        connectionRequested: (host, port) => (stream) => {
          stream.write(`you wanted ${host} ${port}\n`)
          stream.pipe(stream)
        },
        unixConnectionRequested:
          () =>
          (stream, { path }) =>
            stream.end(path),
      }),
    })
    const { stdout } = await ssh(server, undefined, { extraArguments: ['-W', 'anything:77'], input: 'and I said\n' })
    expect(stdout.toString()).toBe('you wanted anything 77\nand I said\n')
  })

  test.skipIf(lacks('sshd'))('through our client to a sshd: a bastion', async () => {
    await using sshd = await startSshd()
    const to = await echoServer()
    const behind = await connectTo(sshd)
    onTestFinished(() => behind.close())
    await using bastion = await startSdkServer({
      serverFactory: () => ({
        connectionRequested: () => behind,
        serverRequested: () => behind,
        unixConnectionRequested: () => behind,
      }),
    })
    const [port, remotePort] = [await freePort(), await freePort()]
    using folder = temporaryFolder()
    const socket = await echoServer(join(folder.path, 'socket'))
    const local = join(folder.path, 'local')
    const running = startSsh(bastion, [
      ...['-L', `127.0.0.1:${port}:127.0.0.1:${to.port}`],
      ...['-L', `${local}:${socket.path}`],
      ...['-R', `${remotePort}:127.0.0.1:${to.port}`],
    ])
    onTestFinished(() => running.stop())
    await untilListening(remotePort, running)
    await untilListening(port, running)
    expect(await exchange({ port })).toBe(hash(data))
    expect(await exchange({ port: remotePort })).toBe(hash(data))
    // The user that sshd runs as must be let in there.
    chmodSync(socket.path, 0o777)
    expect(await exchangeAt(running, local)).toBe(hash(data))
    const outcome = await ssh(bastion, undefined, { extraArguments: ['-W', '127.0.0.1:1'] })
    expect(outcome.stderr).toMatch(/open failed: connect failed/)
  })
})

describe.skipIf(lacks('plink', 'puttygen', 'ssh-keygen'))('plink forwards through our server', () => {
  test('-L and -R, and as a tunnel for its own input', async () => {
    await using server = await startSdkServer({ allowTcpForwarding: true })
    const to = await echoServer()
    const [local, remote] = [await freePort(), await freePort()]
    const running = await startPlink(server, [
      ...['-L', `127.0.0.1:${local}:127.0.0.1:${to.port}`],
      ...['-R', `${remote}:127.0.0.1:${to.port}`],
    ])
    onTestFinished(() => running.stop())
    await untilListening(local, running)
    await untilListening(remote, running)
    expect(await exchange({ port: local })).toBe(hash(data))
    expect(await exchange({ port: remote })).toBe(hash(data))
    const { stdout } = await plink(server, '', { extraArguments: ['-nc', `127.0.0.1:${to.port}`], input: data })
    expect(hash(stdout)).toBe(hash(data))
  })

  test('is refused what nothing allows', async () => {
    await using server = await startSdkServer()
    const { stderr } = await plink(server, '', { extraArguments: ['-v', '-nc', '127.0.0.1:1'] })
    expect(stderr).toMatch(/[Aa]dministratively prohibited/)
  })
})
