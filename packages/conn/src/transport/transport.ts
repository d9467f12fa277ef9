/**
 * The SSH transport of one connection end, sans I/O: bytes in, payloads and events out (RFC 4253).
 *
 * Composes the room: identification, then packets through decoder, phase gate and key exchange one way, and through
 * the encoder the other way. Knows neither users nor channels: those are what numbers 50 and up are for. Services
 * (RFC 4253 §10) are settled here; a server accepts `ssh-userauth` and nothing else.
 *
 * Over 300 lines because it is the one place where the parts meet; each of them knows none of the others.
 */

import type { CompressionAlgorithm } from '@ssh/crypto'
import {
  debug,
  disconnect,
  disconnectReasons,
  extInfo,
  kexInit,
  newKeys,
  ping,
  pong,
  printable,
  type SshError,
  serviceAccept,
  serviceRequest,
  services,
  unimplemented,
  wipe,
} from '@ssh/wire'
import { DisconnectError, KeyExchangeFailed, OptionsError, ProtocolError } from '../errors.js'
import type { DirectionKeys } from './derive-keys.js'
import { decodeExtensionInfo, encodeExtensionInfo } from './extension-info.js'
import { hostKeyAlgorithmsOf } from './host-key-algorithms.js'
import { type Identification, IdentificationReader, identificationBytes } from './identification.js'
import { InputBudget } from './input-budget.js'
import { KeyExchange } from './key-exchange.js'
import { type AlgorithmCategory, type NegotiatedAlgorithms, supportedNames } from './negotiate.js'
import { OutputBuffer } from './output-buffer.js'
import { PacketDecoder } from './packet-decoder.js'
import { PacketEncoder } from './packet-encoder.js'
import { type Phase, phaseGate, type Verdicts } from './phases.js'
import { RekeyPolicy } from './rekey-policy.js'
import { asSshError, connectionLost, publicDescription, unexpectedMessage } from './transport-errors.js'
import {
  type AlgorithmPreferences,
  defaultRekeyLimits,
  defaultTransportLimits,
  type KeysChanged,
  type TransportHandlers,
  type TransportLimits,
  type TransportOptions,
} from './transport-options.js'

/** Phases outside of a key exchange. */
type Stage = Extract<Phase, 'newKeys' | 'service' | 'auth' | 'authEnding' | 'open'>
/** Phases within one. */
type ExchangePhase = Exclude<Phase, Stage>
/** What is remembered of the keys in use: not the keys. */
type DirectionInUse = Pick<DirectionKeys, 'cipher' | 'compression'>

export class Transport {
  /** What is done with the messages that the gate leaves to the transport. */
  static readonly #takers: ReadonlyMap<number, (transport: Transport, payload: Uint8Array) => void> = new Map([
    [disconnect.number, (transport, payload) => transport.#takeDisconnect(payload)],
    [unimplemented.number, (transport, payload) => transport.#takeUnimplemented(payload)],
    [debug.number, (transport, payload) => transport.#takeDebug(payload)],
    [serviceRequest.number, (transport, payload) => transport.#takeServiceRequest(payload)],
    [serviceAccept.number, (transport, payload) => transport.#takeServiceAccept(payload)],
    [extInfo.number, (transport, payload) => transport.#takeExtensionInfo(payload)],
    [kexInit.number, (transport, payload) => transport.#takeKexInit(payload)],
    [newKeys.number, (transport, payload) => transport.#exchange.receive('newKeys', payload)],
    [ping.number, (transport, payload) => transport.#takePing(payload)],
    [pong.number, (transport, payload) => transport.#handlers.onPong?.(pong.decode(payload).data)],
  ])

  readonly #options: TransportOptions
  readonly #handlers: TransportHandlers
  readonly #limits: TransportLimits
  readonly #gate: Readonly<Record<Phase, Verdicts>>
  readonly #localIdentification: Uint8Array
  readonly #encoder: PacketEncoder
  readonly #decoder: PacketDecoder
  readonly #exchange: KeyExchange
  readonly #policy: RekeyPolicy
  readonly #budget: InputBudget

  /** Absent once the peer's identification string is complete. */
  #reader: IdentificationReader | undefined
  #remote: Identification | undefined
  #stage: Stage = 'newKeys'
  #exchangePhase: ExchangePhase | undefined = 'kexInit'
  /** When the exchange under way began, or was last held up by this side. */
  #exchangeSince: number | undefined
  #sending: DirectionInUse | undefined
  #receiving: DirectionInUse | undefined
  #algorithms: NegotiatedAlgorithms | undefined
  /** Client: the service asked for and not accepted yet. */
  #requestedService: string | undefined
  #isAuthenticated = false
  #isOpen = false
  #isHeld = false
  #isDraining = false
  #isClosed = false
  readonly #output = new OutputBuffer()
  readonly #reserve = (length: number): Buffer => this.#output.reserve(length)

  /** @throws OptionsError when the identification, an algorithm name or the host keys cannot be used */
  constructor(options: TransportOptions, handlers: TransportHandlers) {
    const { role, random } = options
    this.#options = options
    this.#handlers = handlers
    this.#limits = { ...defaultTransportLimits, ...options.limits }
    this.#gate = phaseGate[role]
    this.#localIdentification = identificationBytes(options.identification)
    this.#reader = new IdentificationReader(role)
    this.#encoder = new PacketEncoder(random)
    this.#decoder = new PacketDecoder(this.#limits.packetLength)
    this.#policy = new RekeyPolicy({ ...defaultRekeyLimits, ...options.rekey })
    this.#budget = new InputBudget(this.#limits)
    this.#exchange = new KeyExchange(
      { role, random, algorithms: usableAlgorithms(options), hostKeys: options.hostKeys ?? [] },
      {
        identifications: () => this.#identifications(),
        exchangeBegins: () => {
          this.#isOpen = false
          this.#exchangeSince = options.clock()
          handlers.onKeyExchange?.()
        },
        send: (payload) => this.#send([payload]),
        switchSending: (keys) => this.#switchSending(keys),
        switchReceiving: (keys) => this.#switchReceiving(keys),
        keysChanged: (change) => this.#keysChanged(change),
        showHostKey: (offer) => handlers.onHostKey(offer),
      },
    )
  }

  /** Queues the identification string and KEXINIT at once: neither side needs to wait for the other. */
  start(): void {
    this.#output.append(this.#localIdentification)
    this.#output.append(Buffer.from('\r\n'))
    this.#handlers.onOutput()
    this.#exchange.start()
  }

  /** Bytes from the peer, in any chunks. Their memory is the caller's again when this returns. */
  receive(bytes: Uint8Array): void {
    if (this.#isClosed) return
    const rest = this.#reader === undefined ? bytes : this.#identify(this.#reader, bytes)
    if (rest === undefined) return
    this.#decoder.push(rest)
    this.#drain()
    this.#decoder.keepRest()
    if (this.isPaused && this.#decoder.buffered > this.#limits.pausedInputBytes) {
      this.fail(
        new ProtocolError(
          'ERR_SSH_TRANSPORT_INPUT_OVERFLOW',
          `More than ${this.#limits.pausedInputBytes} bytes arrived while the connection was paused`,
        ),
      )
    }
  }

  /** The peer's byte stream ended. Unless it said goodbye before, fails with an error that tells how far things were. */
  end(): void {
    if (this.#isClosed) return
    const reader = this.#reader
    if (reader?.hasFound) {
      this.#close(reader.notSsh('it closed the connection without an identification string'))
    } else {
      this.#close(connectionLost(reader === undefined ? this.#phase : 'identification', this.#options.role))
    }
  }

  /** Whether `seal` may be called: keys are in use both ways, and this side has none under exchange. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isClosed
  }

  /**
   * Sends one payload of number 50 or more, given in parts that are copied once, straight into the packet.
   * May begin a rekey: look at `isOpen` before each call.
   * @throws Error when not open: whoever sends must ask first
   */
  seal(parts: readonly Uint8Array[]): void {
    if (!this.isOpen) throw new Error('Nothing may be sent now: keys are being exchanged, or the transport has ended')
    this.#trySend(parts)
  }

  /** Sends one of the transport's own messages: ignore, debug or ping. Open as for `seal`. */
  sendTransport(payload: Uint8Array): void {
    this.seal([payload])
  }

  /** Client: asks for a service; sent as soon as our keys are in use. The answer is `onService`. */
  requestService(name: string): void {
    this.#requestedService = name
    if (this.#sending !== undefined && !this.#isClosed) this.#trySend([serviceRequest.encode({ serviceName: name })])
  }

  /** Bytes waiting in the output. */
  get outputLength(): number {
    return this.#output.length
  }

  /** Sealed packets in order, for the socket. Once they are on their way, their memory may go to `giveBackSlab`. */
  takeOutput(): Uint8Array[] {
    return this.#output.take()
  }

  /** Whether input is only kept, not decoded: the driver should stop reading. */
  get isPaused(): boolean {
    return this.#isHeld || this.#exchange.stateName === 'verdictPending'
  }

  /** Bytes received and not decoded yet. */
  get bufferedInput(): number {
    return this.#decoder.buffered
  }

  /** Stops decoding after the current packet, until `resume`: for verdicts that take time. */
  pause(): void {
    this.#isHeld = true
  }

  /** Goes on decoding; handlers are called from inside, unless this is called from a handler itself. */
  resume(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#restartTimer()
    this.#drain()
  }

  /** Client: the host key that was shown is trusted. */
  acceptHostKey(): void {
    if (this.#isClosed) return
    this.#restartTimer()
    this.#attempt(() => this.#exchange.acceptHostKey())
    this.#drain()
  }

  /** Client: it is not; the connection fails with `error`. */
  rejectHostKey(error: SshError): void {
    this.fail(error)
  }

  /** Changes keys; does nothing while that is under way, or before authentication: OpenSSH gives up on a rekey there. */
  rekey(): void {
    if (this.#mayRekey) this.#attempt(() => this.#exchange.start())
  }

  /** Authentication is done. Server: right after sealing SUCCESS; client: from inside `onPayload` of SUCCESS. */
  setAuthenticated(): void {
    if (this.#isAuthenticated) return
    this.#isAuthenticated = true
    this.#stage = 'open'
    const sending = this.#sending?.compression
    const receiving = this.#receiving?.compression
    if (sending?.isDelayed) this.#encoder.useCompressor(sending.createCompressor())
    if (receiving?.isDelayed) this.#decoder.useDecompressor(receiving.createDecompressor())
  }

  /** When `tick` wants to be called next, on the clock's scale; undefined: not at all. */
  get nextDeadline(): number | undefined {
    const deadlines = [this.#exchangeDeadline, this.#rekeyDeadline].filter((deadline) => deadline !== undefined)
    return deadlines.length === 0 ? undefined : Math.min(...deadlines)
  }

  /** Time has passed: ends an exchange that takes too long, or begins a rekey that is due. */
  tick(now: number): void {
    const { kexTimeoutMs } = this.#limits
    if (now >= (this.#exchangeDeadline ?? Infinity)) {
      const what = this.#reader === undefined ? 'finish the key exchange' : 'send its identification string'
      this.fail(
        new KeyExchangeFailed('ERR_SSH_KEX_TIMEOUT', `The peer did not ${what} within ${kexTimeoutMs} ms`, {
          details: { timeoutMs: kexTimeoutMs },
        }),
      )
    } else if (now >= (this.#rekeyDeadline ?? Infinity)) {
      this.rekey()
    }
  }

  /** Tells the peer goodbye and stops. No handler is called but `onOutput`. */
  disconnect(reasonCode: number, description: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#sayGoodbye(reasonCode, description)
    this.#decoder.clear()
  }

  /** Stops with `error`: tells the peer its `disconnectReason` if it has one, then `onError`. */
  fail(error: SshError): void {
    this.#close(error, error.disconnectReason)
  }

  /** Whether it has ended, for whichever reason. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The peer's identification string, control characters escaped; undefined until it came. */
  get remoteIdentification(): string | undefined {
    return this.#remote?.text
  }

  /** The exchange hash of the first key exchange (RFC 4253 §7.2); undefined before. */
  get sessionIdentifier(): Uint8Array | undefined {
    return this.#exchange.sessionIdentifier
  }

  /** What is in use; undefined before the first keys. */
  get algorithms(): NegotiatedAlgorithms | undefined {
    return this.#algorithms
  }

  /** Whether strict key exchange was agreed on (OpenSSH PROTOCOL §1.10). */
  get isStrict(): boolean {
    return this.#exchange.markers.isStrict
  }

  /** Sets the counters of both directions, for tests of what happens near 2^31 and 2^32 packets. */
  setCounters(sequenceNumber: number): void {
    this.#encoder.setCounters(sequenceNumber)
    this.#decoder.setCounters(sequenceNumber)
  }

  get #phase(): Phase {
    return this.#exchangePhase ?? this.#stage
  }

  get #exchangeDeadline(): number | undefined {
    const isRunning = this.#exchangeSince !== undefined && !this.isPaused && !this.#isClosed
    return isRunning ? (this.#exchangeSince ?? 0) + this.#limits.kexTimeoutMs : undefined
  }

  get #mayRekey(): boolean {
    return this.#isAuthenticated && !this.#isClosed && this.#exchange.stateName === 'idle'
  }

  get #rekeyDeadline(): number | undefined {
    return this.#mayRekey ? this.#policy.deadline : undefined
  }

  #identifications() {
    const remote = this.#remote?.bytes ?? new Uint8Array(0)
    return this.#options.role === 'client'
      ? { clientIdentification: this.#localIdentification, serverIdentification: remote }
      : { clientIdentification: remote, serverIdentification: this.#localIdentification }
  }

  /** @returns what follows the peer's identification string, or undefined while that is not complete */
  #identify(reader: IdentificationReader, bytes: Uint8Array): Uint8Array | undefined {
    return this.#attempt(() => {
      const found = reader.push(bytes)
      if (found === undefined) return undefined
      this.#remote = found.identification
      this.#reader = undefined
      return found.rest
    })
  }

  #drain(): void {
    // A handler that resumes is called from this very loop, which then goes on by itself.
    if (this.#isDraining) return
    this.#isDraining = true
    this.#attempt(() => {
      while (!this.#isClosed && !this.isPaused) {
        const payload = this.#decoder.next()
        if (payload === undefined) break
        this.#take(payload)
      }
    })
    this.#isDraining = false
  }

  #take(payload: Uint8Array): void {
    const number = payload[0] ?? 0
    const phase = this.#phase
    if (!this.#isAuthenticated) this.#budget.takePreAuth(payload.length)
    switch (this.#gate[phase][number]) {
      case 'passUp':
        this.#handlers.onPayload(payload)
        break
      case 'handle':
        this.#handle(number, payload)
        break
      case 'ignore':
        break
      case 'unimplemented':
        this.#reply(unimplemented.encode({ packetSequenceNumber: this.#decoder.lastSequenceNumber }))
        break
      default:
        throw unexpectedMessage(number, phase, this.#options.role)
    }
    if (phase === 'newKeys' && this.#stage === 'newKeys') this.#stage = 'service'
    this.#rekeyIfUsedUp()
  }

  #handle(number: number, payload: Uint8Array): void {
    const take = Transport.#takers.get(number)
    if (take === undefined) this.#exchange.receive('method', payload)
    else take(this, payload)
  }

  #takeUnimplemented(payload: Uint8Array): void {
    this.#handlers.onUnimplemented?.(unimplemented.decode(payload).packetSequenceNumber)
  }

  #takeDebug(payload: Uint8Array): void {
    const { message, alwaysDisplay } = debug.decode(payload)
    this.#handlers.onDebug?.(message, alwaysDisplay)
  }

  #takeExtensionInfo(payload: Uint8Array): void {
    if (this.#stage === 'auth') this.#stage = 'authEnding'
    this.#handlers.onExtensionInfo?.(decodeExtensionInfo(payload))
  }

  #takePing(payload: Uint8Array): void {
    const { data } = ping.decode(payload)
    if (this.isOpen) this.#reply(pong.encode({ data }))
  }

  #takeDisconnect(payload: Uint8Array): void {
    const { reasonCode, description } = disconnect.decode(payload)
    this.#isClosed = true
    this.#decoder.clear()
    this.#handlers.onDisconnected(new DisconnectError(reasonCode, description))
  }

  #takeServiceRequest(payload: Uint8Array): void {
    const name = serviceRequest.decode(payload).serviceName
    if (name !== services.userauth) {
      throw new ProtocolError(
        'ERR_SSH_TRANSPORT_SERVICE_UNKNOWN',
        `The client asked for the service "${printable(name, 64)}"; only ${services.userauth} can be had here`,
        { disconnectReason: disconnectReasons.serviceNotAvailable, details: { service: name } },
      )
    }
    const isFirst = this.#stage !== 'auth'
    this.#stage = 'auth'
    this.#send([serviceAccept.encode({ serviceName: name })])
    if (isFirst) this.#handlers.onService(name)
  }

  #takeServiceAccept(payload: Uint8Array): void {
    const name = serviceAccept.decode(payload).serviceName
    if (name !== this.#requestedService) {
      throw new ProtocolError(
        'ERR_SSH_TRANSPORT_SERVICE_UNKNOWN',
        `The server started the service "${printable(name, 64)}", which was not asked for`,
        { details: { service: name } },
      )
    }
    this.#requestedService = undefined
    this.#stage = 'auth'
    this.#handlers.onService(name)
  }

  #takeKexInit(payload: Uint8Array): void {
    const isFirst = this.#exchangePhase === 'kexInit'
    if (!isFirst && this.#exchange.stateName === 'idle')
      this.#budget.takeRekey(this.#options.clock(), this.#isAuthenticated)
    this.#exchange.receive('kexInit', payload)
    if (!isFirst) {
      this.#exchangePhase = 'rekey'
      return
    }
    this.#exchangePhase = this.isStrict ? 'strictExchange' : 'exchange'
    if (this.isStrict && this.#decoder.packets > 1) {
      throw new ProtocolError(
        'ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE',
        'The peer asked for strict key exchange, but sent something before KEXINIT: somebody may have put it there',
      )
    }
  }

  #switchSending(keys: DirectionKeys): void {
    const isFirst = this.#sending === undefined
    this.#sending = { cipher: keys.cipher, compression: keys.compression }
    const compressor = this.#compresses(keys.compression) ? keys.compression.createCompressor() : undefined
    this.#encoder.useKeys(keys.cipher.createSealer(keys.key, keys.iv, keys.mac), compressor, this.isStrict)
    wipe(keys.key)
    if (!isFirst) {
      this.#becomeOpen()
      return
    }
    const { role, serverSigAlgs } = this.#options
    if (this.#exchange.markers.takesExtensionInfo) this.#send([encodeExtensionInfo(role, serverSigAlgs ?? [])])
    if (this.#requestedService !== undefined) this.requestService(this.#requestedService)
  }

  #switchReceiving(keys: DirectionKeys): void {
    this.#receiving = { cipher: keys.cipher, compression: keys.compression }
    const decompressor = this.#compresses(keys.compression) ? keys.compression.createDecompressor() : undefined
    this.#decoder.useKeys(keys.cipher.createOpener(keys.key, keys.iv, keys.mac), decompressor, this.isStrict)
    wipe(keys.key)
    this.#exchangePhase = undefined
  }

  #keysChanged(change: KeysChanged): void {
    const sendLimit = this.#sending?.cipher.rekeyAfterBytes ?? 0
    const receiveLimit = this.#receiving?.cipher.rekeyAfterBytes ?? 0
    this.#policy.keysChanged(this.#options.clock(), sendLimit, receiveLimit)
    this.#exchangeSince = undefined
    this.#algorithms = change.algorithms
    // From the first exchange on nothing leaves before keys are in use both ways; SERVICE_REQUEST tells no secret.
    const wasOpen = this.#isOpen
    this.#isOpen = true
    this.#handlers.onKeysChanged(change)
    if (!wasOpen && this.isOpen) this.#handlers.onOpen()
  }

  #becomeOpen(): void {
    this.#isOpen = true
    this.#handlers.onOpen()
  }

  #compresses({ isDelayed }: CompressionAlgorithm): boolean {
    return this.#isAuthenticated || !isDelayed
  }

  /** An answer that a peer can have for nothing: not while it does not read what it has already. */
  #reply(payload: Uint8Array): void {
    if (this.#output.length <= this.#limits.replyBacklogBytes) this.#send([payload])
  }

  #trySend(parts: readonly Uint8Array[]): void {
    this.#attempt(() => {
      this.#send(parts)
      this.#rekeyIfUsedUp()
    })
  }

  #send(parts: readonly Uint8Array[]): void {
    const before = this.#output.length
    try {
      this.#encoder.encode(parts, this.#reserve)
    } catch (error) {
      // What could not be sealed must not leave.
      this.#output.shrinkTo(before)
      throw error
    }
    if (before === 0) this.#handlers.onOutput()
  }

  #rekeyIfUsedUp(): void {
    if (this.#mayRekey && this.#policy.isUsedUp(this.#encoder, this.#decoder)) this.#exchange.start()
  }

  /** What this side's own waiting took does not count against the peer. */
  #restartTimer(): void {
    if (this.#exchangeSince !== undefined) this.#exchangeSince = this.#options.clock()
  }

  /** Runs something that may end the connection: whatever is thrown does. */
  #attempt<Result>(action: () => Result): Result | undefined {
    try {
      return action()
    } catch (thrown) {
      const error = asSshError(thrown)
      this.#close(error, error.disconnectReason ?? disconnectReasons.protocolError)
      return undefined
    }
  }

  #close(error: SshError, reasonCode?: number): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (reasonCode !== undefined) this.#sayGoodbye(reasonCode, publicDescription(error, reasonCode))
    this.#decoder.clear()
    this.#handlers.onError(error)
  }

  /** Queues DISCONNECT, if the peer speaks SSH at all. */
  #sayGoodbye(reasonCode: number, description: string): void {
    if (this.#remote === undefined) return
    try {
      this.#send([disconnect.encode({ reasonCode, description, languageTag: '' })])
    } catch {
      // The connection ends for a reason that is told already; that it cannot be told to the peer changes nothing.
    }
  }
}

/**
 * The names that will be offered: a server offers only host key algorithms that one of its keys can serve.
 * @throws OptionsError for a name that is not supported, a list with nothing in it, or a server without keys
 */
function usableAlgorithms({ role, algorithms, hostKeys = [] }: TransportOptions): AlgorithmPreferences {
  const served = new Set(hostKeys.flatMap(({ publicKey }) => hostKeyAlgorithmsOf(publicKey).map(({ name }) => name)))
  const usable: AlgorithmPreferences = {
    ...algorithms,
    serverHostKey:
      role === 'server' ? algorithms.serverHostKey.filter((name) => served.has(name)) : algorithms.serverHostKey,
  }
  for (const [category, names] of Object.entries(usable) as [AlgorithmCategory, readonly string[]][]) {
    const supported = supportedNames(category)
    const unknown = names.find((name) => !supported.includes(name))
    if (unknown !== undefined) {
      throw new OptionsError(`"${printable(unknown, 64)}" is not a supported algorithm for ${category}`, {
        details: { category, name: unknown, supported },
      })
    }
    // With AEAD ciphers alone no MAC is needed.
    if (names.length === 0 && category !== 'mac') {
      const hint = category === 'serverHostKey' && role === 'server' ? ': no host key fits the host key algorithms' : ''
      throw new OptionsError(`There is no algorithm to offer for ${category}${hint}`, { details: { category } })
    }
  }
  return usable
}
