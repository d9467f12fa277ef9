import { channelOpenConfirmation, channelRequests, channelSuccess, openFailureReasons, toUtf8 } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { ChannelOpenRequest } from '../../src/connection/channel-open.js'
import { openSession } from '../../src/session/open-session.js'
import type { StartOptions } from '../../src/session/session-client.js'
import type { SessionServerHandlers } from '../../src/session/session-server.js'
import { Collector, MuxEnd, muxPair, pattern } from '../mux-pair.js'
import { permissive, sessionPair, settle } from './session-pair.js'

const exec = { type: 'exec', command: 'true' } as const

describe('opening a session', () => {
  test.each([openFailureReasons.connectFailed, openFailureReasons.resourceShortage])(
    'says what to do when the server has too many sessions (reason %d)',
    async (reasonCode) => {
      const pair = muxPair({}, { handlers: { onChannelOpen: (request) => request.reject(reasonCode, 'open failed') } })
      await expect(settle(pair, openSession(pair.client.mux))).rejects.toMatchObject({
        code: 'ERR_SSH_CHANNEL_OPEN_REFUSED',
        reasonCode,
        message: expect.stringContaining('MaxSessions'),
        details: { mayRetryLater: true, description: 'open failed' },
      })
    },
  )

  test('passes another refusal on as it is', async () => {
    const pair = muxPair({}, { handlers: { onChannelOpen: (request) => request.reject(1, 'no shells here') } })
    await expect(settle(pair, openSession(pair.client.mux))).rejects.toMatchObject({
      reasonCode: 1,
      message: expect.stringContaining('no shells here'),
    })
  })

  test('leaves nothing open when it is aborted, before or while the server thinks', async () => {
    const requests: ChannelOpenRequest[] = []
    const pair = muxPair({}, { handlers: { onChannelOpen: (request) => void requests.push(request) } })
    const reason = new Error('changed my mind')
    await expect(openSession(pair.client.mux, { signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      code: 'ABORT_ERR',
      cause: reason,
    })
    expect(pair.client.sent()).toEqual([])

    const controller = new AbortController()
    const opening = openSession(pair.client.mux, { signal: controller.signal })
    pair.flow()
    controller.abort(reason)
    await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR', cause: reason })
    requests[0]!.accept()
    pair.flow()
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test('fails with the error that ends the connection', async () => {
    const end = new MuxEnd()
    const opening = openSession(end.mux)
    end.mux.end(new Error('gone'))
    await expect(opening).rejects.toThrow('gone')
    await expect(openSession(end.mux)).rejects.toThrow('gone')
  })
})

describe('starting a program', () => {
  const x11 = { singleConnection: true, authenticationProtocol: 'P', authenticationCookie: 'ab', screenNumber: 0 }
  const everything: StartOptions = {
    program: { type: 'exec', command: 'echo hé' },
    pty: { term: 'xterm', columns: 100 },
    env: [
      ['LANG', 'C.UTF-8'],
      ['BYTES', new Uint8Array([255])],
    ],
    agentForwarding: true,
    x11,
  }

  test('asks for everything without waiting for any reply', async () => {
    const end = new MuxEnd()
    const opening = openSession(end.mux)
    end.mux.receive(
      channelOpenConfirmation.encode({
        recipientChannel: 0,
        senderChannel: 0,
        initialWindowSize: 0,
        maximumPacketSize: 1000,
        typeData: new Uint8Array(0),
      }),
    )
    const client = await opening
    const started = client.start(everything)
    end.sent()
    const asked = end.logged('channelRequest')
    const setup = ['pty-req', 'x11-req', 'auth-agent-req@openssh.com', 'env', 'env']
    expect(asked.map(({ requestType }) => requestType)).toEqual([...setup, 'exec'])
    expect(asked.every(({ wantReply }) => wantReply)).toBe(true)
    for (const _ of asked) end.mux.receive(channelSuccess.encode({ recipientChannel: 0 }))
    expect(await started).toEqual([])
  })

  test('brings everything to the server', async () => {
    const seen: unknown[] = []
    const note =
      (what: string) =>
      (...values: unknown[]): boolean => {
        seen.push([what, ...values])
        return true
      }
    const { client, server, settle } = await sessionPair({
      onPty: note('pty'),
      onEnv: note('env'),
      onExec: note('exec'),
      onAgentForwarding: note('agent'),
      onX11: note('x11'),
    })
    expect(await settle(client.start(everything))).toEqual([])
    const pty = { term: 'xterm', columns: 100, rows: 24, widthPixels: 0, heightPixels: 0, modes: new Map() }
    expect(seen).toEqual([
      ['pty', pty],
      ['x11', x11],
      ['agent'],
      ['env', 'LANG', Buffer.from('C.UTF-8')],
      ['env', 'BYTES', Buffer.from([255])],
      ['exec', Buffer.from('echo hé')],
    ])
    expect(server.pty).toEqual(pty)
    expect([...server.env.keys()]).toEqual(['LANG', 'BYTES'])
    expect(server.program).toEqual({ type: 'exec', command: Buffer.from('echo hé') })
  })

  test.each([
    [{ type: 'shell' } as const, 'to start a shell'],
    [exec, 'to run the command'],
    [{ type: 'subsystem', name: 'sftp' } as const, 'to start the subsystem'],
  ])('says which program was refused and what else, and closes the session: %j', async (program, words) => {
    const { pair, client, settle } = await sessionPair({ onPty: () => true })
    const env: [string, string][] = [['LANG', 'C']]
    await expect(settle(client.start({ program, pty: { term: 'xterm' }, env }))).rejects.toMatchObject({
      code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
      message: `The server refused ${words}; it also refused LANG`,
      details: {
        requestType: program.type,
        refused: [{ requestType: 'env', name: 'LANG' }, { requestType: program.type }],
      },
    })
    await settle(client.closed)
    pair.flow()
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test('reports a refused variable and goes on, unless variables are required', async () => {
    const handlers = { ...permissive, onEnv: (name: string) => name === 'LANG' }
    const env: [string, string][] = [
      ['LANG', 'C'],
      ['LD_PRELOAD', 'x'],
    ]
    const first = await sessionPair(handlers)
    expect(await first.settle(first.client.start({ program: exec, env }))).toEqual([
      { requestType: 'env', name: 'LD_PRELOAD' },
    ])
    const second = await sessionPair(handlers)
    await expect(second.settle(second.client.start({ program: exec, env, required: ['env'] }))).rejects.toMatchObject({
      details: { requestType: 'env' },
    })
  })

  test('treats a refused terminal as an error, unless told otherwise', async () => {
    const handlers = { ...permissive, onPty: () => false }
    const first = await sessionPair(handlers)
    await expect(first.settle(first.client.start({ program: exec, pty: { term: 'x' } }))).rejects.toMatchObject({
      details: { requestType: 'pty-req' },
    })
    const second = await sessionPair(handlers)
    expect(await second.settle(second.client.start({ program: exec, pty: { term: 'x' }, required: [] }))).toEqual([
      { requestType: 'pty-req' },
    ])
  })

  test('sends nothing when an option is wrong', async () => {
    const { pair, client } = await sessionPair()
    await expect(
      client.start({ program: exec, env: [['A', 'b']], pty: { term: 'x', rows: -1 } }),
    ).rejects.toMatchObject({
      code: 'ERR_SSH_CHANNEL_TERMINAL_SIZE',
    })
    expect(pair.client.sent()).toEqual([])
    expect(client.channel.isClosed).toBe(false)
  })

  test('leaves nothing open when it is aborted, before or while the server thinks', async () => {
    const early = await sessionPair()
    await expect(
      early.settle(early.client.start({ program: exec, signal: AbortSignal.abort() })),
    ).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
    const late = await sessionPair({ onExec: () => new Promise(() => {}) })
    const controller = new AbortController()
    const started = late.client.start({ program: exec, signal: controller.signal })
    late.pair.flow()
    controller.abort()
    await expect(late.settle(started)).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(late.client.closeError).toMatchObject({ code: 'ABORT_ERR' })
    for (const { pair } of [early, late]) {
      pair.flow()
      expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
    }
  })

  test('fails when the session or the connection ends before the answer', async () => {
    const closed = await sessionPair({ onExec: () => new Promise(() => {}) })
    const first = closed.client.start({ program: exec })
    closed.pair.flow()
    closed.server.channel.close()
    await expect(closed.settle(first)).rejects.toMatchObject({
      code: 'ERR_SSH_CHANNEL_CLOSED',
      message: expect.stringMatching(
        /closed before the server answered the request exec; the program may not have run/,
      ),
      details: { requestType: 'exec' },
    })
    const ended = await sessionPair({ onExec: () => new Promise(() => {}) })
    const second = ended.client.start({ program: exec, env: [['A', 'b']] })
    ended.pair.client.mux.end(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    await ended.client.closed
    expect(ended.client.closeError?.message).toBe('gone')
  })
})

describe('one request at a time', () => {
  test('each is answered by its handler', async () => {
    const { client, settle } = await sessionPair()
    const x11 = { singleConnection: false, authenticationProtocol: 'P', authenticationCookie: 'ab', screenNumber: 1 }
    const answers = [
      client.requestPty({ term: 'xterm' }),
      client.setEnv('A', 'b'),
      client.requestAgentForwarding(),
      client.requestX11(x11),
      client.sendBreak(500),
      client.shell(),
    ]
    expect(await settle(Promise.all(answers))).toEqual([true, true, true, true, true, true])
    const others = await sessionPair()
    expect(await others.settle(others.client.subsystem('sftp'))).toBe(true)
    expect(others.server.program).toEqual({ type: 'subsystem', name: 'sftp' })
  })

  test('everything is refused where nobody decides', async () => {
    const { client, server, settle } = await sessionPair({})
    const answers = [
      client.requestPty({ term: 'xterm' }),
      client.setEnv('A', 'b'),
      client.requestAgentForwarding(),
      client.sendBreak(),
      client.exec('true'),
      client.shell(),
      client.subsystem('sftp'),
    ]
    expect(new Set(await settle(Promise.all(answers)))).toEqual(new Set([false]))
    expect([server.pty, server.env.size, server.program]).toEqual([undefined, 0, undefined])
  })

  test('requests behind a decision wait for it, and are answered in order', async () => {
    const order: string[] = []
    let decide: (agreed: boolean) => void = () => {}
    const { pair, client, server, settle } = await sessionPair({
      onPty: () => new Promise((resolve) => void (decide = resolve)),
      onExec: () => {
        order.push(`exec with ${server.pty?.term}`)
        return true
      },
      onSignal: (name) => void order.push(name),
    })
    const started = client.start({ program: exec, pty: { term: 'xterm' } })
    client.signal('SIGINT')
    pair.flow()
    expect(order).toEqual([])
    decide(true)
    await settle(started)
    expect(order).toEqual(['exec with xterm', 'INT'])
  })

  test('requests behind a decision are bounded in number and in bytes; what is too much is refused [D7]', async () => {
    let decide: (agreed: boolean) => void = () => {}
    const variables: string[] = []
    const { pair, client, settle } = await sessionPair({
      onPty: () => new Promise((resolve) => void (decide = resolve)),
      onEnv: (name) => {
        variables.push(name)
        return true
      },
    })
    const answers = [client.requestPty({ term: 'xterm' })]
    for (let index = 0; index < 100; index++) answers.push(client.setEnv(`V${index}`, Buffer.alloc(60_000)))
    pair.flow()
    decide(true)
    const settled = await settle(Promise.all(answers))
    // What may wait is 1 MiB; what may be kept of a session's variables is less still.
    expect(settled.filter((agreed) => agreed).length).toBeLessThan(5)
    expect(settled.slice(18)).toEqual(Array.from({ length: 83 }, () => false))
    expect(variables.length).toBeLessThan(18)
    expect(await settle(client.setEnv('LATER', 'x'))).toBe(true)
  })

  test('a second program is refused, and a refused one leaves room for another try [D17]', async () => {
    const { client, server, settle } = await sessionPair({ ...permissive, onShell: () => false })
    expect(await settle(client.shell())).toBe(false)
    expect(await settle(client.exec('first'))).toBe(true)
    for (let round = 0; round < 1000; round++) {
      const again = [client.exec('second'), client.shell(), client.subsystem('sftp')]
      expect(await settle(Promise.all(again))).toEqual([false, false, false])
    }
    expect(server.program).toMatchObject({ type: 'exec', command: Buffer.from('first') })
  })

  test('terminal and environment are settled before the program starts', async () => {
    const { client, settle } = await sessionPair()
    expect(await settle(client.requestPty({ term: 'xterm' }))).toBe(true)
    expect(await settle(client.requestPty({ term: 'again' }))).toBe(false)
    expect(await settle(client.shell())).toBe(true)
    expect(await settle(client.setEnv('A', 'b'))).toBe(false)
  })

  test('a handler that throws or rejects refuses, is reported, and the session goes on', async () => {
    const errors: unknown[] = []
    const handlers: SessionServerHandlers = {
      onPty: () => {
        throw new Error('thrown')
      },
      onEnv: () => Promise.reject(new Error('rejected')),
      onExec: () => true,
      onHandlerError: (error) => void errors.push((error as Error).message),
    }
    const { client, settle } = await sessionPair(handlers)
    expect(await settle(client.requestPty({ term: 'xterm' }))).toBe(false)
    expect(await settle(client.setEnv('A', 'b'))).toBe(false)
    expect(await settle(client.exec('true'))).toBe(true)
    expect(errors).toEqual(['thrown', 'rejected'])
  })

  test('sizes, signals and the end of output are told; a size without a terminal is not', async () => {
    const seen: unknown[] = []
    const { pair, client, server, settle } = await sessionPair({
      ...permissive,
      onWindowChange: (size) => void seen.push(size),
      onSignal: (name) => void seen.push(name),
      onEndOfWrite: () => void seen.push('eow'),
    })
    client.windowChange({ columns: 1, rows: 1 })
    await settle(client.requestPty({ term: 'xterm' }))
    client.windowChange({ columns: 132, rows: 50 })
    client.signal(9)
    client.channel.request('eow@openssh.com', new Uint8Array(0))
    pair.flow()
    const size = { columns: 132, rows: 50, widthPixels: 0, heightPixels: 0 }
    expect(seen).toEqual([size, 'KILL', 'eow'])
    expect(server.pty).toMatchObject({ term: 'xterm', ...size })
  })

  test('malformed requests are refused and harm nothing [D10]', async () => {
    const { pair, client, settle } = await sessionPair(permissive)
    const types = [
      'pty-req',
      'env',
      'exec',
      'shell',
      'subsystem',
      'x11-req',
      'break',
      'signal',
      'window-change',
      'unknown',
    ]
    const replies: string[] = []
    for (const type of types) {
      client.channel.request(type, new Uint8Array([0, 0, 0, 9, 1]), {}, (reply) => void replies.push(reply.outcome))
    }
    pair.flow()
    expect(replies).toEqual(types.map(() => 'failure'))
    expect(await settle(client.exec('true'))).toBe(true)
  })

  test('variables are bounded [D11]', async () => {
    const { client, server, settle } = await sessionPair(permissive, {}, { environmentLimits: { variables: 10 } })
    const answers = Array.from({ length: 100 }, (_, index) => client.setEnv(`A${index}`, 'x'))
    expect((await settle(Promise.all(answers))).filter(Boolean)).toHaveLength(10)
    expect(server.env.size).toBe(10)
  })
})

describe('the end of a program', () => {
  test('comes with its status behind the output, then the end and the close', async () => {
    const exits: unknown[] = []
    const { pair, client, server, settle } = await sessionPair(permissive, {
      handlers: { onExit: (exit) => void exits.push(exit) },
    })
    await settle(client.start({ program: exec }))
    const [out, err] = [new Collector(client.channel), new Collector(client.stderr)]
    server.channel.write(pattern(300_000))
    server.stderr.write(toUtf8('oops'))
    server.exit(3)
    server.exit(4)
    await settle(client.closed)
    expect(out.length).toBe(300_000)
    expect(err.bytes).toEqual(Buffer.from('oops'))
    expect(client.exit).toEqual({ exitStatus: 3, exitSignal: null, returncode: 3 })
    expect(exits).toEqual([client.exit])
    expect(client.closeError).toBeUndefined()
    const order = pair.server.log.map(({ type }) => type).slice(-5)
    expect(order).toEqual(['channelData', 'channelExtendedData', 'channelRequest', 'channelEof', 'channelClose'])
    await settle(server.closed)
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test.each([
    [0, 0],
    [255, 255],
    [256, 0],
    [-1, 255],
  ])('status %d is sent as %d', async (given, sent) => {
    const { client, server, settle } = await sessionPair()
    server.exit(given)
    client.stderr.attach({})
    await settle(client.closed)
    expect(client.exit.exitStatus).toBe(sent)
  })

  test('may be a signal', async () => {
    const { client, server, settle } = await sessionPair()
    server.exitWithSignal('SIGSEGV', { coreDumped: true, message: 'segmentation fault', lang: 'en' })
    await settle(client.closed)
    expect(client.exit).toEqual({
      exitStatus: null,
      exitSignal: { name: 'SEGV', coreDumped: true, message: 'segmentation fault', lang: 'en' },
      returncode: -11,
    })
  })

  test('may say nothing, and that is not status 0', async () => {
    const { client, server, settle } = await sessionPair()
    await settle(Promise.all([server.close(), client.closed]))
    expect(client.exit).toEqual({ exitStatus: null, exitSignal: null, returncode: null })
  })

  test('may come after the end of output, and twice: the first counts', async () => {
    const { pair, client, server, settle } = await sessionPair()
    const out = new Collector(client.channel)
    server.channel.end()
    pair.flow()
    expect(out.events).toEqual(['end'])
    for (const exitStatus of [7, 8]) {
      server.channel.request('exit-status', channelRequests.encode('exit-status', { exitStatus }))
    }
    server.channel.close()
    await settle(client.closed)
    expect(client.exit.exitStatus).toBe(7)
  })

  test('waits for the reply to its own start', async () => {
    for (const onExec of [() => true, () => Promise.resolve(true)]) {
      const { client, server, settle, pair } = await sessionPair({
        onExec: () => {
          server.exit(5)
          server.close()
          return onExec()
        },
      })
      expect(await settle(client.start({ program: exec }))).toEqual([])
      await settle(client.closed)
      expect(client.exit.exitStatus).toBe(5)
      const types = pair.server.log.map(({ type }) => type)
      expect(types.indexOf('channelSuccess')).toBeLessThan(types.indexOf('channelClose'))
    }
  })

  test('that is malformed ends this session with a typed error, and no other [D10]', async () => {
    const whole = channelRequests.encode('exit-signal', {
      signalName: 'TERM',
      coreDumped: false,
      errorMessage: '',
      languageTag: '',
    })
    for (const [type, data] of [
      ['exit-status', new Uint8Array(3)],
      ['exit-status', new Uint8Array(5)],
      ['exit-signal', whole.subarray(0, 8)],
    ] as const) {
      const { client, server, settle } = await sessionPair()
      server.channel.request(type, data)
      await settle(client.closed)
      expect(client.closeError).toMatchObject({ code: expect.stringMatching(/^ERR_SSH_WIRE_/) })
      expect(client.exit.returncode).toBeNull()
    }
  })

  test('is reported as a fault of the handler when the one for the close throws, and settles all the same', async () => {
    const faults: unknown[] = []
    const thrown = new Error('thrown')
    const { pair, server, settle } = await sessionPair({
      onClose: () => {
        throw thrown
      },
      onHandlerError: (error) => void faults.push(error),
    })
    pair.server.mux.end(new Error('gone'))
    await settle(server.closed)
    expect(faults).toEqual([thrown])
  })

  test('of the connection settles both halves and rejects nothing', async () => {
    const closes: unknown[] = []
    const onClose = (error?: Error): void => void closes.push(error?.message)
    const { pair, client, server } = await sessionPair({ onClose }, { handlers: { onClose } })
    pair.client.mux.end(new Error('client gone'))
    pair.server.mux.end(new Error('server gone'))
    await Promise.all([client.closed, server.closed])
    expect(closes).toEqual(['client gone', 'server gone'])
  })
})

test('error output from a client is discarded, and its input goes on [D9]', async () => {
  const { pair, client, server } = await sessionPair()
  const input = new Collector(server.channel)
  for (let round = 0; round < 100; round++) client.stderr.write(pattern(100_000))
  client.channel.write(toUtf8('input'))
  pair.flow()
  expect(input.bytes).toEqual(Buffer.from('input'))
})

test('flow control and end of write are told to the client', async () => {
  const seen: unknown[] = []
  const { pair, server } = await sessionPair(permissive, {
    handlers: {
      onFlowControl: (clientCanDo) => void seen.push(clientCanDo),
      onEndOfWrite: () => void seen.push('eow'),
    },
  })
  server.setFlowControl(true)
  server.channel.request('eow@openssh.com', new Uint8Array(0))
  pair.flow()
  expect(seen).toEqual([true, 'eow'])
})

test('both halves can be disposed of', async () => {
  const { client, server, settle } = await sessionPair()
  await settle(Promise.all([client[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]))
  expect([client.channel.isClosed, server.channel.isClosed]).toEqual([true, true])
})
