/** What the server does about clients that read the protocol in their own way. */

import { setImmediate } from 'node:timers/promises'
import { memoryChannelPair } from '@ssh/testkit'
import { concatBytes } from '@ssh/wire'
import { describe, expect, onTestFinished, test } from 'vitest'
import { extendedRequests } from '../../src/protocol/extensions.js'
import { openFlags } from '../../src/protocol/open-flags.js'
import { type Reply, requests } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { serveSftp } from '../../src/server/serve-sftp.js'
import { RawClient } from '../scripted-peers.js'

/** A raw client of a handler, INIT done. */
function connect(handler: MemoryHandler) {
  const [near, far] = memoryChannelPair()
  const session = serveSftp(far, handler)
  const client = new RawClient(near)
  client.init()
  onTestFinished(() => session.close())
  return { client, session }
}

/** Whatever comes first takes longest, so that all that may overtake it does. */
class FirstIsSlowest extends MemoryHandler {
  readonly done: string[] = []
  #turns = 64

  override close(...args: Parameters<MemoryHandler['close']>) {
    return this.#later('close', () => super.close(...args))
  }
  override write(...args: Parameters<MemoryHandler['write']>) {
    return this.#later('write', () => super.write(...args))
  }
  override setstat(...args: Parameters<MemoryHandler['setstat']>) {
    return this.#later(`setstat ${args[0]}`, () => super.setstat(...args))
  }
  override mkdir(...args: Parameters<MemoryHandler['mkdir']>) {
    return this.#later(`mkdir ${args[0]}`, () => super.mkdir(...args))
  }
  override rmdir(...args: Parameters<MemoryHandler['rmdir']>) {
    return this.#later(`rmdir ${args[0]}`, () => super.rmdir(...args))
  }
  override remove(...args: Parameters<MemoryHandler['remove']>) {
    return this.#later(`remove ${args[0]}`, () => super.remove(...args))
  }
  override posixRename(...args: Parameters<MemoryHandler['posixRename']>) {
    return this.#later(`rename ${args[0]}`, () => super.posixRename(...args))
  }
  override async rename(...[oldPath, newPath]: Parameters<MemoryHandler['rename']>) {
    await this.posixRename(oldPath, newPath)
  }

  async #later<R>(what: string, work: () => R | PromiseLike<R>): Promise<R> {
    for (let turns = this.#turns--; turns > 0; turns--) await setImmediate()
    const result = await work()
    this.done.push(what)
    return result
  }
}

const attrs = {}
const { write, create } = openFlags
const mkdir = (path: string) => (id: number) => requests.mkdir.encode({ id, path, attrs })
const rmdir = (path: string) => (id: number) => requests.rmdir.encode({ id, path })
const remove = (path: string) => (id: number) => requests.remove.encode({ id, path })
const stat = (path: string) => (id: number) => requests.stat.encode({ id, path })
const opendir = (path: string) => (id: number) => requests.opendir.encode({ id, path })
const open = (path: string) => (id: number) => requests.open.encode({ id, path, flags: write | create, attrs })
const rename = (oldPath: string, newPath: string) => (id: number) => requests.rename.encode({ id, oldPath, newPath })
const posixRename = (oldPath: string, newPath: string) => (id: number) =>
  requests.extended.encode({
    id,
    request: 'posix-rename@openssh.com',
    payload: extendedRequests.encode('posix-rename@openssh.com', { oldPath, newPath }),
  })
const codesOf = (answers: readonly Reply[]) =>
  answers.map((reply) => (reply.type === 'status' ? reply.code : reply.type))

describe('requests that are sent without waiting for the ones before', () => {
  test.each([
    ['a folder and those in it', [mkdir('/a'), mkdir('/a/b'), mkdir('/a/b//c/'), open('/a/b/c/file')]],
    ['relative paths', [mkdir('a'), mkdir('./a/b'), mkdir('/a/b/c'), mkdir('/a/../a/b/c/d'), rmdir('a/b/c/d')]],
    [
      'what is renamed, and goes on under its new name',
      [mkdir('/a'), rename('/a', '/b'), mkdir('/b/c'), rmdir('/b/c')],
    ],
    ['an extended request', [mkdir('/a'), posixRename('/a', '/b'), stat('/b'), rmdir('/b')]],
    [
      'a folder that is emptied first',
      [mkdir('/a'), mkdir('/a/b'), mkdir('/a/c'), rmdir('/a/b'), rmdir('/a/c'), rmdir('/a')],
    ],
  ])('have the outcome they would have one after another: %s', async (_, asked) => {
    const { client } = connect(new FirstIsSlowest())
    const answers = await Promise.all(asked.map((build) => client.ask(build)))
    expect(codesOf(answers)).toEqual(
      asked.map((build) =>
        build(0)[0] === requests.open.number
          ? 'handle'
          : build(0)[0] === requests.stat.number
            ? 'attrs'
            : statusCodes.ok,
      ),
    )
  })

  test('find what was written to the file before, and its handle closed', async () => {
    const handler = new FirstIsSlowest()
    const { client } = connect(handler)
    const handle = await client.open('/file', write | create)
    const data = Buffer.from('hello')
    const asked = [
      (id: number) => requests.write.encode({ id, handle, offset: 0, data }),
      (id: number) => requests.write.encode({ id, handle, offset: 5, data }),
      stat('/file'),
      (id: number) => requests.close.encode({ id, handle }),
      (id: number) => requests.setstat.encode({ id, path: '/file', attrs: { atime: 1, mtime: 2 } }),
      rename('/file', '/moved'),
    ]
    const [, , stats] = await Promise.all(asked.map((build) => client.ask(build)))
    expect(stats).toMatchObject({ type: 'attrs', attrs: { size: 10 } })
    expect(handler.done).toEqual(['write', 'write', 'close', 'setstat /file', 'rename /file'])
    expect(await handler.stat('/moved')).toMatchObject({ size: 10, mtime: 2 })
  })

  test('are not held up by those for other files', async () => {
    let release: () => void = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    class Held extends MemoryHandler {
      override async mkdir(...args: Parameters<MemoryHandler['mkdir']>) {
        await released
        super.mkdir(...args)
      }
    }
    const { client } = connect(new Held())
    const answered: string[] = []
    const ask = async (what: string, build: (id: number) => Uint8Array) => {
      const reply = await client.ask(build)
      answered.push(what)
      return reply.type
    }
    const inTheWay = [ask('mkdir /b', mkdir('/b')), ask('stat /b', stat('/b')), ask('opendir /', opendir('/'))]
    const beside = [ask('open /b2', open('/b2')), ask('stat /', stat('/')), ask('stat /none', stat('/none'))]
    expect(await Promise.all(beside)).toEqual(['handle', 'attrs', 'status'])
    expect(answered).toHaveLength(3)
    release()
    // Those that look at what is being made wait for it, and what lists the folder it is in.
    expect(await Promise.all(inTheWay)).toEqual(['status', 'attrs', 'handle'])
    expect(answered[3]).toBe('mkdir /b')
  })

  test('fail alone', async () => {
    const { client } = connect(new FirstIsSlowest())
    const answers = await Promise.all(
      [rmdir('/a'), mkdir('/a'), mkdir('/a'), rmdir('/a'), remove('/a')].map((build) => client.ask(build)),
    )
    expect(codesOf(answers)).toEqual([statusCodes.noSuchFile, 0, statusCodes.failure, 0, statusCodes.noSuchFile])
  })

  test('do not begin once the channel is over', async () => {
    const handler = new FirstIsSlowest()
    const { client, session } = connect(handler)
    client.ask(mkdir('/a'))
    client.ask(mkdir('/a/b'))
    await session.close()
    for (let turns = 0; turns < 200; turns++) await setImmediate()
    expect(handler.done).toEqual(['mkdir /a'])
  })
})

test('bytes behind the data of a WRITE are ignored: pkg/sftp sent the rest of its buffer along', async () => {
  const { client } = connect(new MemoryHandler())
  const handle = await client.open('/file', write | create)
  const data = Buffer.from('data')
  const excess = Buffer.alloc(28_672)
  const reply = await client.ask((id) => concatBytes([requests.write.encode({ id, handle, offset: 0, data }), excess]))
  expect(reply).toMatchObject({ type: 'status', code: statusCodes.ok })
  expect(await client.ask(stat('/file'))).toMatchObject({ type: 'attrs', attrs: { size: 4 } })
})
