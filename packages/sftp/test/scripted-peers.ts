/** Peers that speak raw packets: a server that answers as a test says, and a client that sends what a test says. */

import { memoryChannelPair } from '@ssh/testkit'
import { type ByteChannel, concatBytes, list, message, struct, uint32, utf8 } from '@ssh/wire'
import type { SftpClientOptions } from '../src/client/options.js'
import { SftpClient } from '../src/client/sftp-client.js'
import { attrs, fileTypes } from '../src/protocol/attrs.js'
import { type Dialect, firstDialect } from '../src/protocol/dialect.js'
import { framePacket, PacketReader } from '../src/protocol/framing.js'
import { type Reply, type Request, replies, requestMessages, requests } from '../src/protocol/packets.js'
import { statusCodes } from '../src/protocol/status.js'

/** What a scripted server may do with a request. */
export interface Answers {
  status(id: number, code: number, message?: string): void
  handle(id: number, name: string): void
  data(id: number, bytes: Uint8Array): void
  names(id: number, names: readonly (string | { name: string; permissions: number; size?: number })[]): void
  attrs(id: number, attrs: { size?: number; permissions?: number }): void
  raw(packet: Uint8Array): void
}

export const regularFile = fileTypes.file | 0o644
export const directory = fileTypes.directory | 0o755
export const symlink = fileTypes.symlink | 0o777

/** A server that does what `answer` says; INIT and CLOSE are answered unless it says otherwise. */
export class ScriptedServer {
  readonly requests: Request[] = []
  readonly channel: ByteChannel
  readonly answers: Answers
  closedWith: Error | undefined | 'open' = 'open'
  readonly #reader = new PacketReader()

  constructor(
    channel: ByteChannel,
    answer: (request: Request, answers: Answers) => unknown,
    version: Uint8Array = framePacket(replies.version.encode({ version: 3, extensions: [] })),
  ) {
    this.channel = channel
    const send = (packet: Uint8Array): void => void channel.write(packet)
    this.answers = {
      status: (id, code, message = '') =>
        send(framePacket(replies.status.encode({ id, code, message, languageTag: '' }))),
      handle: (id, name) => send(framePacket(replies.handle.encode({ id, handle: Buffer.from(name) }))),
      data: (id, bytes) => send(framePacket(replies.data.encode({ id, data: bytes }))),
      names: (id, names) => send(namesPacket(id, names)),
      attrs: (id, attrs) => send(framePacket(replies.attrs.encode({ id, attrs }))),
      raw: send,
    }
    channel.attach({
      onData: (chunk) => {
        channel.release(chunk.length)
        this.#reader.push(chunk)
        for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
          const request = requestMessages.decode(concatBytes(packet))
          this.requests.push(request)
          if (request.type === 'init') send(version)
          else if (answer(request, this.answers)) continue
          else if (request.type === 'close') this.answers.status(request.id, statusCodes.ok)
        }
      },
      onClose: (error) => {
        this.closedWith = error
      },
    })
  }

  /** Types of the requests that came, without INIT. */
  get types(): string[] {
    return this.requests.slice(1).map(({ type }) => type)
  }
}

/** Names as they are: the table's own codec would refuse to send some that a hostile server does. */
const rawNames = message('name', 104, 'test', {
  id: uint32,
  entries: list(struct('entry', { fileName: utf8, longName: utf8, attrs }), 12),
})

function namesPacket(
  id: number,
  names: readonly (string | { name: string; permissions: number; size?: number })[],
): Uint8Array {
  const entries = names.map((entry) => {
    const { name, ...fields } = typeof entry === 'string' ? { name: entry, permissions: regularFile, size: 0 } : entry
    return { fileName: name, longName: name, attrs: fields }
  })
  return framePacket(rawNames.encode({ id, entries }))
}

/** A client against a scripted server. */
export async function withScript(
  answer: (request: Request, answers: Answers) => unknown,
  options: SftpClientOptions & { version?: Uint8Array } = {},
): Promise<{ client: SftpClient; server: ScriptedServer }> {
  const { version, ...clientOptions } = options
  const [near, far] = memoryChannelPair()
  const server = new ScriptedServer(far, answer, version)
  return { client: await SftpClient.start(near, clientOptions), server }
}

/** A client that sends raw packets and collects the replies. */
export class RawClient {
  readonly replies: Reply[] = []
  readonly channel: ByteChannel
  isClosed = false
  #nextId = 1
  readonly #waiters = new Map<number, (reply: Reply) => void>()
  readonly #reader = new PacketReader()
  readonly #dialect: Dialect

  /** @param dialect what it speaks; the server must not answer with an earlier version */
  constructor(channel: ByteChannel, dialect: Dialect = firstDialect) {
    this.channel = channel
    this.#dialect = dialect
    channel.attach({
      onData: (chunk) => {
        channel.release(chunk.length)
        this.#reader.push(chunk)
        for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
          const reply = dialect.replyMessages.decode(concatBytes(packet))
          this.replies.push(reply)
          if (reply.type === 'version') continue
          const answer = this.#waiters.get(reply.id)
          this.#waiters.delete(reply.id)
          answer?.(reply)
        }
      },
      onClose: () => {
        this.isClosed = true
      },
    })
  }

  init(): void {
    this.channel.write(framePacket(requests.init.encode({ version: this.#dialect.version, extensions: [] })))
  }

  /** Sends a request built for a fresh id, and waits for its reply. */
  ask(build: (id: number) => Uint8Array): Promise<Reply> {
    const id = this.#nextId++
    const reply = new Promise<Reply>((resolve) => this.#waiters.set(id, resolve))
    this.channel.write(framePacket(build(id)))
    return reply
  }

  async open(path: string, flags: number): Promise<Uint8Array> {
    const reply = await this.ask((id) => this.#dialect.requests.open.encode({ id, path, flags, attrs: {} }))
    if (reply.type !== 'handle') throw new Error(`open was answered with ${JSON.stringify(reply)}`)
    return Buffer.from(reply.handle)
  }
}
