import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createPool,
  type Destination,
  type HostResult,
  type HostsOptions,
  type HostsProgress,
  runOnHosts,
  type ServerProcess,
} from '../../src/index.js'
import { clientOptions, embedded, parrot } from '../embedded-server.js'
import { expectNothingLeftOpen } from '../open-handles.js'
import { outcome, turn, until } from '../turns.js'

expectNothingLeftOpen()

/** One server that plays many hosts, by the name of the user. */
async function hosts(names: readonly string[]) {
  /** Commands that wait for the test to end them. */
  const running: ServerProcess[] = []
  const going = new Set<ServerProcess>()
  let most = 0
  const { server, destination } = await embedded({
    maxStartups: 1000,
    processFactory: (process) => {
      going.add(process)
      most = Math.max(most, going.size)
      // Over when its program says so: the client may know before the session is closed at this end.
      const exit = process.exit.bind(process)
      process.exit = (status) => {
        going.delete(process)
        exit(status)
      }
      if (process.command === 'hang') running.push(process)
      else if (process.command === 'whoami') process.stdout.end(process.info.username, () => process.exit(0))
      else parrot(process)
    },
  })
  return {
    server,
    running,
    destinations: names.map((username) => ({ ...destination, username })),
    get most() {
      return most
    },
    get now() {
      return going.size
    },
  }
}

type TextOptions = Omit<HostsOptions, 'encoding'>

const options = (more: TextOptions = {}): TextOptions => ({ ...clientOptions(), ...more }) as TextOptions
const names = (count: number) => Array.from({ length: count }, (_, index) => `host-${index}`)
const outputs = (results: readonly HostResult[]) => results.map(({ result }) => result?.stdout)

/** A destination where nobody listens. */
const nowhere: Destination = { host: '127.0.0.1', port: 1, username: 'nobody' }

describe('results', () => {
  test('awaited, are all there, in the order of the destinations', async () => {
    const { destinations } = await hosts(names(30))
    const results = await runOnHosts(destinations, 'whoami', options())
    expect(outputs(results)).toEqual(names(30))
    for (const [index, result] of results.entries()) {
      expect(result).toMatchObject({ index, destination: destinations[index], durationMs: expect.any(Number) })
      expect(result.result).toMatchObject({ exitStatus: 0 })
    }
  })

  test('iterated, come as they come', async () => {
    const { destinations, running } = await hosts(['slow', 'fast'])
    const command = ({ username }: { username?: string }) => (username === 'slow' ? 'hang' : 'whoami')
    const came: string[] = []
    for await (const { destination } of runOnHosts(destinations, (host) => command(host as object), options())) {
      came.push((destination as { username: string }).username)
      if (came.length === 1) {
        await until(() => running.length === 1)
        running[0]?.exit(0)
      }
    }
    expect(came).toEqual(['fast', 'slow'])
  })

  test('an error is the result of its host and concerns no other', async () => {
    const { destinations } = await hosts(['one', 'two'])
    const [one, two] = destinations as [Destination, Destination]
    const results = await runOnHosts([one, nowhere, two], 'whoami', options())
    expect(outputs(results)).toEqual(['one', undefined, 'two'])
    expect(results[1]?.error).toMatchObject({ name: 'ConnectError' })
    expect(results[0]).not.toHaveProperty('error')
  })

  test('a status is a result, and an error with check', async () => {
    const { destinations } = await hosts(['one'])
    expect((await runOnHosts(destinations, 'exit 3', options()))[0]).toMatchObject({ result: { exitStatus: 3 } })
    expect((await runOnHosts(destinations, 'exit 3', options({ check: true })))[0]).toMatchObject({
      error: { name: 'ProcessError', exitStatus: 3 },
    })
  })

  test('nothing runs before they are asked for, and nothing twice', async () => {
    const { destinations, server } = await hosts(['one'])
    let connections = 0
    const runs = runOnHosts(destinations, 'whoami', options({ progress: () => connections++ }))
    await turn()
    expect(server.connections.size).toBe(0)
    expect(connections).toBe(0)
    const first = await runs
    expect(await runs).toBe(first)
    expect(() => runs[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'ERR_SSH_HOSTS_TAKEN' }))
    const iterated = runOnHosts([], 'whoami', options())
    for await (const _ of iterated);
    expect(await outcome(iterated)).toMatchObject({ code: 'ERR_SSH_HOSTS_TAKEN' })
    expect(await outcome(iterated.then())).toMatchObject({ code: 'ERR_SSH_HOSTS_TAKEN' })
  })

  test('no destination is no result', async () => {
    expect(await runOnHosts([], 'x', options())).toEqual([])
  })

  test('bytes are bytes', async () => {
    const { destinations } = await hosts(['one'])
    const [first] = await runOnHosts(destinations, 'whoami', {
      ...clientOptions(),
      encoding: 'buffer',
    } as HostsOptions & {
      encoding: 'buffer'
    })
    expect(first?.result?.stdout).toEqual(Buffer.from('one'))
  })
})

describe('how many at once', () => {
  test('no more than concurrency', async () => {
    const fleet = await hosts(names(12))
    const work = runOnHosts(fleet.destinations, 'hang', options({ concurrency: 3 })).then((results) => results)
    for (let ended = 0; ended < 12; ended++) {
      await until(() => fleet.now === Math.min(3, 12 - ended))
      fleet.running[ended]?.exit(0)
    }
    expect(await work).toHaveLength(12)
    expect(fleet.most).toBe(3)
  })

  test('no more is begun than the loop has taken results of', async () => {
    const { destinations } = await hosts(names(10))
    const states: string[] = []
    const progress = ({ state }: HostsProgress) => states.push(state)
    for await (const { index } of runOnHosts(destinations, 'whoami', options({ concurrency: 2, progress }))) {
      // Long enough for many to end, were they begun.
      for (let turns = 0; turns < 50; turns++) await turn()
      expect(states.filter((state) => state === 'started').length).toBeLessThanOrEqual(index + 4)
    }
  })

  test('destinations may come one after another, and are asked for no sooner than needed', async () => {
    const { destinations } = await hosts(names(6))
    let given = 0
    async function* slowly() {
      for (const destination of destinations) {
        await turn()
        given++
        yield destination
      }
    }
    const seen: (number | undefined)[] = []
    const results: HostResult[] = []
    const progress = ({ total }: HostsProgress) => seen.push(total)
    for await (const result of runOnHosts(slowly(), 'whoami', options({ concurrency: 2, progress }))) {
      results.push(result)
      expect(given).toBeLessThanOrEqual(results.length + 3)
    }
    expect(results).toHaveLength(6)
    expect(new Set(seen)).toEqual(new Set([undefined]))
  })

  test('a slow source does not hold up results', async () => {
    const { destinations } = await hosts(['one'])
    let more: () => void = () => {}
    async function* source() {
      yield* destinations
      await new Promise<void>((resolve) => {
        more = resolve
      })
    }
    for await (const { result } of runOnHosts(source(), 'whoami', options())) {
      expect(result?.stdout).toBe('one')
      more()
    }
  })

  test('a source that fails ends the work', async () => {
    const { destinations, server } = await hosts(['one'])
    async function* source() {
      yield* destinations
      throw new Error('no more')
    }
    expect(await outcome(runOnHosts(source(), 'hang', options()))).toMatchObject({ message: 'no more' })
    await until(() => server.connections.size === 0)
  })
})

describe('options', () => {
  test('of one host go before those of all: by a function or by a map', async () => {
    const { destinations } = await hosts(['one', 'two'])
    const [one, two] = destinations as [Destination, Destination]
    const byFunction = await runOnHosts(
      [one, two],
      'exit 1',
      options({ perHost: (_, index) => ({ check: index === 1 }) }),
    )
    expect(byFunction.map(({ error }) => error !== undefined)).toEqual([false, true])
    const wrong = { hostKeyFingerprint: 'SHA256:other' }
    const byMap = await runOnHosts([one, two], 'whoami', options({ perHost: new Map([[two, wrong]]) }))
    expect(byMap.map(({ error }) => error !== undefined)).toEqual([false, true])
  })

  test('a function makes the command of each host, and what it throws is that host’s error', async () => {
    const { destinations } = await hosts(['one', 'two'])
    const results = await runOnHosts(
      destinations,
      (_, index) => {
        if (index === 1) throw new Error('none for this one')
        return ['echo', String(index)]
      },
      options(),
    )
    expect(results[0]?.result?.stdout).toBe('echo 0')
    expect(results[1]?.error).toMatchObject({ message: 'none for this one' })
  })

  test('what is no list of destinations is refused at once, also one destination alone', () => {
    for (const wrong of ['user@host', undefined, null, 1, {}] as unknown as Destination[][]) {
      expect(() => runOnHosts(wrong, 'x', options())).toThrow(
        expect.objectContaining({ name: 'OptionsError', message: expect.stringContaining('list') }),
      )
    }
  })

  test('wrong ones are refused at once, and streams that only one host could use', () => {
    for (const wrong of [
      { bogus: 1 },
      { concurrency: 0 },
      { input: Readable.from([]) },
      { stdout: { path: '/tmp/x' } },
    ]) {
      expect(() => runOnHosts([], 'x', wrong as HostsOptions)).toThrow(
        expect.objectContaining({ name: 'OptionsError' }),
      )
    }
  })

  test('connections of a pool are used, and left open', async () => {
    const { destinations, server } = await hosts(names(3))
    const pool = createPool({ connect: clientOptions() })
    onTestFinished(() => pool.close())
    expect(outputs(await runOnHosts(destinations, 'whoami', { pool }))).toEqual(names(3))
    expect(outputs(await runOnHosts(destinations, 'whoami', { pool }))).toEqual(names(3))
    expect(pool.stats.connected).toBe(3)
    expect(server.connections.size).toBe(3)
  })

  test('progress is told of each beginning and end', async () => {
    const { destinations } = await hosts(['one'])
    const events: HostsProgress[] = []
    const progress = (event: HostsProgress) => void events.push(event)
    await runOnHosts([...destinations, nowhere], 'whoami', options({ concurrency: 1, progress }))
    expect(events).toEqual([
      { destination: destinations[0], index: 0, state: 'started', done: 0, failed: 0, running: 1, total: 2 },
      { destination: destinations[0], index: 0, state: 'succeeded', done: 1, failed: 0, running: 0, total: 2 },
      { destination: nowhere, index: 1, state: 'started', done: 1, failed: 0, running: 1, total: 2 },
      { destination: nowhere, index: 1, state: 'failed', done: 2, failed: 1, running: 0, total: 2 },
    ])
  })
})

describe('ending early', () => {
  test('leaving the loop ends what is under way, and nothing is left open', async () => {
    const { destinations, server, running } = await hosts(['quick', ...names(8)])
    const command = (_: Destination, index: number) => (index === 0 ? 'whoami' : 'hang')
    for await (const { result } of runOnHosts(destinations, command, options({ concurrency: 4 }))) {
      expect(result?.stdout).toBe('quick')
      await until(() => running.length >= 3)
      break
    }
    await until(() => server.connections.size === 0)
    expect(running.length).toBeLessThanOrEqual(4)
  })

  test('a loop that throws does the same', async () => {
    const { destinations, server } = await hosts(['quick', 'slow'])
    const command = (_: Destination, index: number) => (index === 0 ? 'whoami' : 'hang')
    const loop = async () => {
      for await (const _ of runOnHosts(destinations, command, options())) throw new Error('mine')
    }
    expect(await outcome(loop())).toMatchObject({ message: 'mine' })
    await until(() => server.connections.size === 0)
  })

  test('an abort ends all, and then the loop', async () => {
    const { destinations, server, running } = await hosts(names(6))
    const controller = new AbortController()
    const work = outcome(runOnHosts(destinations, 'hang', options({ concurrency: 3, signal: controller.signal })))
    await until(() => running.length === 3)
    controller.abort(new Error('enough'))
    expect(await work).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } })
    await until(() => server.connections.size === 0)
    expect(running).toHaveLength(3)
    expect(await outcome(runOnHosts([], 'x', options({ signal: controller.signal })))).toMatchObject({
      name: 'AbortError',
    })
  })

  test('stopOnError begins nothing more, and ends the others with that error as their cause', async () => {
    const { destinations, running, server } = await hosts(names(6))
    const command = (_: Destination, index: number) => (index === 1 ? 'exit 9' : 'hang')
    const results = await runOnHosts(destinations, command, options({ concurrency: 2, stopOnError: true, check: true }))
    expect(results.map(({ index }) => index)).toEqual([0, 1])
    const [ended, failure] = results
    expect(failure?.error).toMatchObject({ name: 'ProcessError', exitStatus: 9 })
    expect(ended?.error).toMatchObject({ name: 'AbortError', cause: failure?.error })
    expect(running.length).toBeLessThanOrEqual(1)
    await until(() => server.connections.size === 0)
  })

  test('what progress throws ends the work', async () => {
    const { destinations, server } = await hosts(names(4))
    const progress = ({ state }: HostsProgress) => {
      if (state === 'succeeded') throw new Error('cannot be told')
    }
    expect(await outcome(runOnHosts(destinations, 'whoami', options({ progress })))).toMatchObject({
      message: 'cannot be told',
    })
    await until(() => server.connections.size === 0)
  })

  test('a loop that nobody begins leaves nothing open', async () => {
    const { destinations } = await hosts(['one'])
    const iterator = runOnHosts(destinations, 'x', options())[Symbol.asyncIterator]()
    await iterator.return?.()
  })

  test('two hundred hosts do not warn of listeners', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => void warnings.push(warning)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const { destinations } = await hosts(names(200))
    const { signal } = new AbortController()
    const results = await runOnHosts(destinations, 'whoami', options({ signal, concurrency: 40 }))
    expect(results.filter(({ error }) => error !== undefined)).toEqual([])
    await turn()
    expect(warnings).toEqual([])
  })
})
