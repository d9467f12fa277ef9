import { channelTypes, globalRequests, tcpipForwardReply } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { ChannelOpenRequest } from '../../src/connection/channel-open.js'
import type { GlobalRequest } from '../../src/connection/global-requests.js'
import { RemoteListeners } from '../../src/forwarding/remote-listeners.js'
import { ForwardingEnd, until } from './forwarding-pair.js'

/** A client's listeners, and a server whose answers the test gives. */
function listeners() {
  const client = new ForwardingEnd()
  const server = new ForwardingEnd()
  client.other = server
  server.other = client
  const requests: GlobalRequest[] = []
  for (const name of globalRequests.names)
    server.incoming.onGlobalRequest(name, (request) => void requests.push(request))
  const remote = new RemoteListeners(client.mux, client.incoming)
  const opened: unknown[] = []
  const onForwarded = (request: ChannelOpenRequest, info: unknown) => {
    opened.push(info)
    request.accept()
  }
  const asked = async () => {
    await until(() => requests.length > 0)
    const request = requests.shift()
    if (request === undefined) throw new Error('Nothing was asked')
    return request
  }
  /** Opens a channel as the server; resolves with what the client said. */
  const open = (type: 'forwarded-tcpip' | 'forwarded-streamlocal@openssh.com', typeData: Uint8Array) =>
    new Promise<'open' | number>((resolve) => {
      const onFailure = (error: Error & { reasonCode?: number }) => resolve(error.reasonCode ?? -1)
      server.mux.openChannel(type, typeData, {}, { onOpen: () => resolve('open'), onFailure })
    })
  const openPort = (connectedAddress: string, connectedPort: number) =>
    open(
      'forwarded-tcpip',
      channelTypes.encode('forwarded-tcpip', {
        connectedAddress,
        connectedPort,
        originatorAddress: '192.0.2.1',
        originatorPort: 5000,
      }),
    )
  const openPath = (socketPath: string) =>
    open(
      'forwarded-streamlocal@openssh.com',
      channelTypes.encode('forwarded-streamlocal@openssh.com', { socketPath, reserved: new Uint8Array(0) }),
    )
  /** Listens, and grants it. */
  const granted = async (host: string, port: number, bound = port) => {
    const listening = remote.listenOnPort(host, port, onForwarded)
    const request = await asked()
    request.reply(true, port === 0 ? tcpipForwardReply.encode({ boundPort: bound }) : undefined)
    return listening
  }
  return { client, server, remote, opened, onForwarded, asked, openPort, openPath, granted }
}

const prohibited = 1

describe('a port that the server listens on', () => {
  test('is asked for in lower case, and 0 becomes the port of the reply', async () => {
    const { remote, asked, onForwarded } = listeners()
    const listening = remote.listenOnPort('LocalHost', 0, onForwarded)
    const request = await asked()
    expect(request).toMatchObject({ requestName: 'tcpip-forward', wantReply: true })
    expect(globalRequests.decode('tcpip-forward', request.data)).toEqual({ bindAddress: 'localhost', bindPort: 0 })
    request.reply(true, tcpipForwardReply.encode({ boundPort: 40001 }))
    expect((await listening).place).toEqual({ host: 'localhost', port: 40001 })
  })

  test('is asked for at an empty address where ssh says `*`, which sshd alone knows', async () => {
    const { remote, asked, onForwarded } = listeners()
    const listening = remote.listenOnPort('*', 8080, onForwarded)
    const request = await asked()
    expect(globalRequests.decode('tcpip-forward', request.data)).toEqual({ bindAddress: '', bindPort: 8080 })
    request.reply(true)
    expect((await listening).place).toEqual({ host: '', port: 8080 })
  })

  test('that is refused says what was asked for and why that may be', async () => {
    const { remote, asked, onForwarded } = listeners()
    const listening = remote.listenOnPort('', 80, onForwarded)
    ;(await asked()).reply(false)
    await expect(listening).rejects.toMatchObject({
      name: 'ChannelListenError',
      code: 'ERR_SSH_CHANNEL_LISTEN_REFUSED',
      message: expect.stringMatching(/every address port 80.*AllowTcpForwarding.*taken.*root/),
      details: { host: '', port: 80 },
    })
  })

  test.each<[string, Uint8Array]>([
    ['no data', new Uint8Array(0)],
    ['three bytes', new Uint8Array(3)],
    ['five bytes', new Uint8Array(5)],
    ['port 0', tcpipForwardReply.encode({ boundPort: 0 })],
    ['a port over 65535', tcpipForwardReply.encode({ boundPort: 65536 })],
  ])('chosen by a server that replies with %s is given back', async (_name, data) => {
    const { remote, asked, onForwarded } = listeners()
    const listening = remote.listenOnPort('localhost', 0, onForwarded)
    ;(await asked()).reply(true, data)
    await expect(listening).rejects.toMatchObject({ name: 'ChannelListenError' })
    expect(await asked()).toMatchObject({ requestName: 'cancel-tcpip-forward' })
  })

  test('that was asked for by number is that number, whatever the reply says', async () => {
    const { remote, asked, onForwarded } = listeners()
    const listening = remote.listenOnPort('localhost', 8080, onForwarded)
    ;(await asked()).reply(true, tcpipForwardReply.encode({ boundPort: 9 }))
    expect((await listening).place.port).toBe(8080)
  })

  test('takes a channel that comes in the same moment as the reply, and one that comes before it', async () => {
    const { remote, asked, onForwarded, openPort, opened } = listeners()
    const listening = remote.listenOnPort('localhost', 8080, onForwarded)
    const request = await asked()
    const early = openPort('localhost', 8080)
    request.reply(true)
    const prompt = openPort('localhost', 8080)
    expect(await Promise.all([early, prompt])).toEqual(['open', 'open'])
    await listening
    const info = { listenHost: 'localhost', listenPort: 8080, originHost: '192.0.2.1', originPort: 5000 }
    expect(opened).toEqual([info, info])
  })

  test('that is refused in the end refuses the channels that came before', async () => {
    const { remote, asked, onForwarded, openPort } = listeners()
    const listening = remote.listenOnPort('localhost', 8080, onForwarded)
    const request = await asked()
    const early = openPort('localhost', 8080)
    request.reply(false)
    await expect(listening).rejects.toThrow()
    expect(await early).toBe(prohibited)
  })

  test.each<[string, [string, number][], [string, number], number | undefined]>([
    [
      'the exact one',
      [
        ['a', 1],
        ['b', 1],
      ],
      ['b', 1],
      1,
    ],
    [
      'the exact one, in any case',
      [
        ['a', 1],
        ['b', 1],
      ],
      ['B', 1],
      1,
    ],
    [
      'the one of that port under another spelling',
      [
        ['localhost', 1],
        ['localhost', 2],
      ],
      ['127.0.0.1', 2],
      1,
    ],
    [
      'none of several of that port under another spelling',
      [
        ['a', 1],
        ['b', 1],
      ],
      ['c', 1],
      undefined,
    ],
    [
      'the one of that host when the server says port 0',
      [
        ['a', 1],
        ['b', 2],
      ],
      ['b', 0],
      1,
    ],
    ['the only one when the server says port 0 and another host', [['a', 1]], ['0.0.0.0', 0], 0],
    [
      'none of several when the server says port 0 and another host',
      [
        ['a', 1],
        ['b', 2],
      ],
      ['c', 0],
      undefined,
    ],
    ['none for a port that was never asked for (D12)', [['a', 1]], ['a', 22], undefined],
  ])('gets its channels: %s', async (_name, places, named, expected) => {
    const { granted, openPort, opened } = listeners()
    for (const [host, port] of places) await granted(host, port)
    const outcome = await openPort(...named)
    if (expected === undefined) {
      expect([outcome, opened]).toEqual([prohibited, []])
    } else {
      const [listenHost, listenPort] = places[expected] ?? []
      expect(outcome).toBe('open')
      expect(opened).toMatchObject([{ listenHost, listenPort }])
    }
  })

  test('is given back when it is stopped, and its channels are refused from then on', async () => {
    const { granted, openPort, asked, remote, onForwarded } = listeners()
    const listening = await granted('localhost', 0, 40001)
    const stopped = listening.stop()
    expect(await openPort('localhost', 40001)).toBe(prohibited)
    const request = await asked()
    expect(request.requestName).toBe('cancel-tcpip-forward')
    expect(globalRequests.decode('cancel-tcpip-forward', request.data)).toEqual({
      bindAddress: 'localhost',
      bindPort: 40001,
    })
    // A server that will not is no reason to wait.
    request.reply(false)
    await stopped
    const again = remote.listenOnPort('localhost', 40001, onForwarded)
    ;(await asked()).reply(true)
    await again
  })

  test('cannot be asked for twice at once', async () => {
    const { granted, remote, onForwarded } = listeners()
    await granted('localhost', 8080)
    await expect(remote.listenOnPort('LOCALHOST', 8080, onForwarded)).rejects.toMatchObject({
      name: 'ChannelListenError',
      message: expect.stringContaining('already'),
    })
  })

  test('that is no longer wanted is given back once the server granted it', async () => {
    const { remote, asked, onForwarded, openPort } = listeners()
    const aborting = new AbortController()
    const listening = remote.listenOnPort('localhost', 8080, onForwarded, aborting.signal)
    const request = await asked()
    aborting.abort()
    await expect(listening).rejects.toMatchObject({ code: 'ABORT_ERR' })
    request.reply(true)
    expect(await asked()).toMatchObject({ requestName: 'cancel-tcpip-forward' })
    expect(await openPort('localhost', 8080)).toBe(prohibited)
    await expect(remote.listenOnPort('a', 1, onForwarded, AbortSignal.abort())).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
  })

  test('is as lost as the connection', async () => {
    const { remote, asked, onForwarded, client, granted } = listeners()
    const listening = await granted('localhost', 1)
    const waiting = remote.listenOnPort('localhost', 2, onForwarded)
    await asked()
    client.mux.end(new Error('cut'))
    await expect(waiting).rejects.toThrow('cut')
    await expect(remote.listenOnPort('localhost', 3, onForwarded)).rejects.toThrow('cut')
    await listening.stop()
  })
})

describe('a path that the server listens on', () => {
  test('gets its channels and no others, and is given back', async () => {
    const { remote, asked, onForwarded, openPath, opened } = listeners()
    const listening = remote.listenOnPath('/run/one', onForwarded)
    const request = await asked()
    expect(globalRequests.decode('streamlocal-forward@openssh.com', request.data)).toEqual({ socketPath: '/run/one' })
    request.reply(true)
    const { place, stop } = await listening
    expect(place).toBe('/run/one')
    expect(await openPath('/run/one')).toBe('open')
    expect(await openPath('/run/two')).toBe(prohibited)
    expect(opened).toEqual([{ listenPath: '/run/one' }])
    const stopped = stop()
    expect(await openPath('/run/one')).toBe(prohibited)
    const cancel = await asked()
    expect(cancel.requestName).toBe('cancel-streamlocal-forward@openssh.com')
    cancel.reply(true)
    await stopped
  })

  test('that is refused says what was asked for and why that may be', async () => {
    const { remote, asked, onForwarded } = listeners()
    const listening = remote.listenOnPath('/run/\u001b[2J', onForwarded)
    ;(await asked()).reply(false)
    await expect(listening).rejects.toMatchObject({
      name: 'ChannelListenError',
      message: expect.stringMatching(/\/run\/\\x1b\[2J.*AllowStreamLocalForwarding/),
    })
  })
})

describe('a hostile server', () => {
  test('opens nothing before anything was asked for (D12)', async () => {
    const { openPort, openPath, opened } = listeners()
    expect(await openPort('localhost', 22)).toBe(prohibited)
    expect(await openPath('/run/one')).toBe(prohibited)
    expect(opened).toEqual([])
  })

  test.each([0, 3, 4, 30])('that cuts an opening short after %i bytes breaks the protocol', async (length) => {
    const { granted, client } = listeners()
    await granted('localhost', 8080)
    const typeData = channelTypes.encode('forwarded-tcpip', {
      connectedAddress: 'localhost',
      connectedPort: 8080,
      originatorAddress: '192.0.2.1',
      originatorPort: 5000,
    })
    const request = { channelType: 'forwarded-tcpip', typeData: typeData.subarray(0, length) } as ChannelOpenRequest
    expect(() => client.incoming.channelRequested(request)).toThrow(
      expect.objectContaining({ name: 'WireError', disconnectReason: 2 }),
    )
  })
})
