/** Makes a TCP connection through a proxy: dials the proxy, and asks it to connect. */

import { lookup } from 'node:dns/promises'
import { isIP, type Socket } from 'node:net'
import { ConnectError } from '../errors.js'
import { borrowedReadsOf } from './borrowed-reads.js'
import { abortReason, type DialOptions, dial } from './dial.js'
import { badAnswer, maximumAnswerLength, type ProxyDialogue, proxyDialogue } from './proxy-dialogue.js'
import type { ProxyAddress, ProxyProtocol } from './proxy-url.js'

/** Protocols by which a proxy is told an address and no name. */
const resolvesHere: readonly ProxyProtocol[] = ['socks4', 'socks5']

/**
 * Connects to a host through a proxy. What of the options is about this machine (its address, keepalives) holds for the
 * connection to the proxy; `family` holds for the host where its name is resolved here, and for the proxy.
 *
 * @returns a socket from which the next byte read is the first that comes from the host
 * @throws ConnectError `ERR_SSH_CONNECT_PROXY_UNREACHABLE`, `ERR_SSH_CONNECT_PROXY_REFUSED` or
 *   `ERR_SSH_CONNECT_PROXY_PROTOCOL`; `ERR_SSH_CONNECT_FAILED` when the host's name cannot be resolved here
 * @throws AbortError, or the signal's reason
 */
export async function dialThroughProxy(proxy: ProxyAddress, options: DialOptions): Promise<Socket> {
  const { host, port, signal } = options
  const address = resolvesHere.includes(proxy.protocol) ? await resolve(proxy, options) : undefined
  const socket = await dial({ ...options, host: proxy.host, port: proxy.port }).catch((cause: unknown) => {
    if (!(cause instanceof ConnectError)) throw cause
    const text = `The proxy for ${host} port ${port} cannot be reached: ${cause.message}`
    throw new ConnectError('ERR_SSH_CONNECT_PROXY_UNREACHABLE', text, {
      cause,
      details: { host, port, proxy: `${proxy.host}:${proxy.port}` },
    })
  })
  try {
    await new Talk(socket, proxy, proxyDialogue(proxy, { host, port }, address)).over(signal)
    return socket
  } catch (error) {
    socket.on('error', () => {})
    socket.destroy()
    throw error
  }
}

/** A numeric address of the host. */
async function resolve(proxy: ProxyAddress, { host, port, family, signal }: DialOptions): Promise<string> {
  if (isIP(host) !== 0) return host
  try {
    const wanted = proxy.protocol === 'socks4' ? 4 : (family ?? 0)
    return (await raceAbort(lookup(host, { family: wanted }), signal)).address
  } catch (cause) {
    if (signal?.aborted) throw abortReason(signal)
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new ConnectError(
      'ERR_SSH_CONNECT_FAILED',
      `Cannot connect to ${host} port ${port}: ${code}, the name is not known here; with socks5h:// or socks4a:// the proxy resolves it`,
      { cause, details: { host, port, systemCode: code } },
    )
  }
}

function raceAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortReason(signal))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort))
  })
}

/** Carries on a dialogue over a socket. */
class Talk {
  readonly #socket: Socket
  readonly #proxy: ProxyAddress
  readonly #dialogue: ProxyDialogue
  #received: Buffer = Buffer.alloc(0)
  #answerLength: (received: Buffer) => number | undefined = () => undefined

  constructor(socket: Socket, proxy: ProxyAddress, dialogue: ProxyDialogue) {
    this.#socket = socket
    this.#proxy = proxy
    this.#dialogue = dialogue
  }

  /** Resolves once the proxy has connected us; bytes behind its last answer are left for the next reader. */
  over(signal: AbortSignal | undefined): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw abortReason(signal)
      let isOver = false
      let stopReading = (_passesRest: boolean) => {}
      const settle = (error?: unknown) => {
        isOver = true
        signal?.removeEventListener('abort', onAbort)
        socket.off('end', onEnd).off('close', onEnd).off('error', onError)
        stopReading(error === undefined)
        if (error === undefined) resolve()
        else reject(error)
      }
      const onAbort = () => settle(abortReason(signal))
      const onEnd = () => settle(this.#cutShort())
      const onError = (error: Error) => settle(this.#cutShort(error))
      const advance = (action: () => boolean) => {
        try {
          if (action()) settle()
        } catch (error) {
          settle(error)
        }
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      socket.once('end', onEnd).once('close', onEnd).once('error', onError)
      advance(() => this.#ask(this.#dialogue.next()))
      if (isOver) return
      stopReading = this.#read((bytes) => {
        this.#received = Buffer.concat([this.#received, bytes])
        if (!isOver) advance(() => this.#look())
      })
      // What came before anybody read may have been the whole answer already.
      if (isOver) stopReading(true)
    })
  }

  /** @returns leaves the socket to the next reader, with what was not used if there is to be one */
  #read(listener: (bytes: Buffer) => void): (passesRest: boolean) => void {
    const socket = this.#socket
    const borrowed = borrowedReadsOf(socket)
    if (borrowed !== undefined) {
      borrowed.listen((bytes) => listener(Buffer.from(bytes)))
      return () => borrowed.pass(this.#received)
    }
    const onReadable = () => {
      const bytes: Buffer | null = socket.read()
      if (bytes !== null) listener(bytes)
    }
    socket.on('readable', onReadable)
    return (passesRest) => {
      socket.off('readable', onReadable)
      if (passesRest && this.#received.length > 0) socket.unshift(this.#received)
    }
  }

  /** @returns whether the dialogue is over */
  #look(): boolean {
    const length = this.#answerLength(this.#received)
    if (length === undefined) {
      if (this.#received.length < maximumAnswerLength) return false
      throw badAnswer(this.#proxy, `its answer is longer than ${maximumAnswerLength} bytes`)
    }
    const answer = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return this.#ask(this.#dialogue.next(answer))
  }

  #ask(step: ReturnType<ProxyDialogue['next']>): boolean {
    if (step.done === true) return true
    this.#answerLength = (received) => step.value.answerLength(received)
    this.#socket.write(step.value.send)
    // The next answer may have come along with the last one.
    return this.#received.length > 0 && this.#look()
  }

  #cutShort(cause?: Error): ConnectError {
    const { host, port } = this.#proxy
    const why = cause === undefined ? '' : `: ${cause.message}`
    const text = `The proxy ${host} port ${port} closed the connection in the middle of its answer${why}`
    return new ConnectError('ERR_SSH_CONNECT_PROXY_PROTOCOL', text, {
      ...(cause && { cause }),
      details: { proxy: `${host}:${port}`, receivedBytes: this.#received.length },
    })
  }
}
