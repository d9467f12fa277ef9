/**
 * The key exchange as a state machine (RFC 4253 §7–§9): idle → initSent → exchanging → newKeysSent → idle, and on the
 * client verdictPending before newKeysSent. A state carries only what is valid in it; a message that the table has no
 * cell for is an error.
 */

import { ciphers, compressionAlgorithms, macs, type PublicKey, parsePublicKey, type RandomSource } from '@ssh/crypto'
import { equalBytes, kexInit, newKeys, wipe } from '@ssh/wire'
import { KeyExchangeFailed, ProtocolError } from '../errors.js'
import { type Direction, type DirectionKeys, type DirectionRows, deriveDirection } from './derive-keys.js'
import { type ExchangeTranscript, encodeSecret, exchangeHash } from './exchange-hash.js'
import { type HostKeyAlgorithm, hostKeyAlgorithm, hostKeyAlgorithmsOf } from './host-key-algorithms.js'
import type {
  ClientKexResult,
  ClientKexRun,
  KexMethod,
  KexResult,
  ServerKexResult,
  ServerKexRun,
} from './kex-method.js'
import { kexMethod } from './kex-methods.js'
import {
  type DirectionAlgorithms,
  type KexInit,
  markersOf,
  type NegotiatedAlgorithms,
  negotiate,
  type PeerMarkers,
  readMarkers,
} from './negotiate.js'
import type { Role } from './role.js'
import type { AlgorithmPreferences, HostKey, HostKeyOffer, KeysChanged } from './transport-options.js'

/** What the machine is told once. */
export interface KeyExchangeOptions {
  readonly role: Role
  readonly algorithms: AlgorithmPreferences
  readonly hostKeys: readonly HostKey[]
  readonly random: RandomSource
}

/** What the machine acts upon: the transport around it. */
export interface KeyExchangeWorld {
  /** V_C and V_S; asked for only when both are known. */
  identifications(): Pick<ExchangeTranscript, 'clientIdentification' | 'serverIdentification'>
  /** KEXINIT is about to be sent: nothing but the exchange may leave until NEWKEYS. */
  exchangeBegins(): void
  /** Sends a payload under the present keys. */
  send(payload: Uint8Array): void
  /** NEWKEYS has been sent: what follows goes out under these keys. */
  switchSending(keys: DirectionKeys): void
  /** NEWKEYS has been received: what follows comes in under these keys. */
  switchReceiving(keys: DirectionKeys): void
  /** Both directions have switched. */
  keysChanged(change: KeysChanged): void
  /** Client: nothing goes on until `acceptHostKey`. */
  showHostKey(offer: HostKeyOffer): void
}

/** Kinds of messages that drive the machine: KEXINIT, numbers 30 to 49, NEWKEYS. */
export type KexMessageKind = 'kexInit' | 'method' | 'newKeys'

/** What the two KEXINIT messages settled. */
interface Agreement {
  readonly algorithms: NegotiatedAlgorithms
  readonly method: KexMethod
  readonly hostKeyAlgorithm: HostKeyAlgorithm
  readonly directions: Readonly<Record<Direction, DirectionRows>>
  readonly transcript: ExchangeTranscript
}

type Run =
  | { readonly role: 'client'; readonly method: ClientKexRun }
  | { readonly role: 'server'; readonly method: ServerKexRun }

interface States {
  idle: object
  initSent: { readonly values: KexInit; readonly payload: Uint8Array }
  exchanging: { readonly agreement: Agreement; readonly run: Run; readonly skipsNext: boolean }
  verdictPending: {
    readonly agreement: Agreement
    readonly result: ClientKexResult
    readonly encodedSecret: Uint8Array
    readonly hash: Uint8Array
  }
  newKeysSent: { readonly keys: DirectionKeys; readonly change: KeysChanged }
}

/** Names of the machine's states. */
export type KexStateName = keyof States
type State = { [Name in KexStateName]: { readonly name: Name } & States[Name] }[KexStateName]
type StateOf<Name extends KexStateName> = Extract<State, { name: Name }>
type Table = {
  readonly [Name in KexStateName]: {
    readonly [Kind in KexMessageKind]?: (machine: KeyExchange, state: StateOf<Name>, payload: Uint8Array) => void
  }
}

export class KeyExchange {
  /** Which message is taken in which state. */
  static readonly #table: Table = {
    idle: { kexInit: (machine, _, payload) => machine.#negotiate(machine.#sendInit(), payload) },
    initSent: { kexInit: (machine, state, payload) => machine.#negotiate(state, payload) },
    exchanging: { method: (machine, state, payload) => machine.#step(state, payload) },
    verdictPending: {},
    newKeysSent: { newKeys: (machine, state, payload) => machine.#finish(state, payload) },
  }

  readonly #options: KeyExchangeOptions
  readonly #world: KeyExchangeWorld
  #state: State = { name: 'idle' }
  #sessionIdentifier: Uint8Array | undefined
  #markers: PeerMarkers = { isStrict: false, takesExtensionInfo: false }
  #hasNegotiated = false
  /** Client: the host key that was accepted, so that a rekey with it asks nobody. */
  #acceptedHostKey: Uint8Array | undefined

  constructor(options: KeyExchangeOptions, world: KeyExchangeWorld) {
    this.#options = options
    this.#world = world
  }

  get stateName(): KexStateName {
    return this.#state.name
  }

  /** Hash of the first exchange; undefined until its end. */
  get sessionIdentifier(): Uint8Array | undefined {
    return this.#sessionIdentifier
  }

  /** What the peer's first KEXINIT said besides algorithms. */
  get markers(): PeerMarkers {
    return this.#markers
  }

  /** Sends KEXINIT; only when idle. */
  start(): void {
    if (this.#state.name === 'idle') this.#sendInit()
  }

  /**
   * Takes one message.
   * @throws SshError when it is malformed, not legal now, or leads to no agreement; the machine is of no use afterwards
   */
  receive(kind: KexMessageKind, payload: Uint8Array): void {
    const state = this.#state
    // The table's row and the state have the same name, which TypeScript cannot see through an index.
    const row = KeyExchange.#table[state.name] as Table['idle']
    const handle = row[kind]
    if (handle === undefined) {
      throw new ProtocolError(
        'ERR_SSH_KEX_UNEXPECTED_MESSAGE',
        `The peer sent a ${kind} message (number ${payload[0]}) while the key exchange was in state ${state.name}`,
        { details: { number: payload[0], state: state.name } },
      )
    }
    handle(this, state as StateOf<'idle'>, payload)
  }

  /** Client: the key that was shown is trusted; sends NEWKEYS. */
  acceptHostKey(): void {
    const state = this.#state
    if (state.name !== 'verdictPending') return
    // A copy: the blob is a view into received data that need not stay.
    this.#acceptedHostKey = Uint8Array.from(state.result.hostKey)
    this.#takeKeysIntoUse(state.agreement, state.hash, state.encodedSecret, this.#acceptedHostKey)
  }

  #sendInit(): StateOf<'initSent'> {
    const { algorithms, random, role } = this.#options
    const isFirst = !this.#hasNegotiated
    const values: KexInit = {
      type: 'kexInit',
      cookie: random.bytes(16),
      kexAlgorithms: isFirst ? [...algorithms.kex, ...markersOf(role)] : algorithms.kex,
      serverHostKeyAlgorithms: algorithms.serverHostKey,
      encryptionAlgorithmsClientToServer: algorithms.encryption,
      encryptionAlgorithmsServerToClient: algorithms.encryption,
      macAlgorithmsClientToServer: algorithms.mac,
      macAlgorithmsServerToClient: algorithms.mac,
      compressionAlgorithmsClientToServer: algorithms.compression,
      compressionAlgorithmsServerToClient: algorithms.compression,
      languagesClientToServer: [],
      languagesServerToClient: [],
      firstKexPacketFollows: false,
      reserved: 0,
    }
    const state: StateOf<'initSent'> = { name: 'initSent', values, payload: kexInit.encode(values) }
    this.#state = state
    this.#world.exchangeBegins()
    this.#world.send(state.payload)
    return state
  }

  #negotiate(local: StateOf<'initSent'>, payload: Uint8Array): void {
    const { random, role } = this.#options
    const remote = kexInit.decode(payload)
    if (remote.reserved !== 0) {
      throw new ProtocolError('ERR_SSH_KEX_MALFORMED', `The reserved field of KEXINIT is ${remote.reserved}, not 0`)
    }
    if (!this.#hasNegotiated) this.#markers = readMarkers(role, remote)
    this.#hasNegotiated = true
    const { algorithms, skipsGuess } = negotiate(role, local.values, remote)
    const transcript: ExchangeTranscript = {
      ...this.#world.identifications(),
      clientKexInit: role === 'client' ? local.payload : payload,
      serverKexInit: role === 'client' ? payload : local.payload,
    }
    const agreement: Agreement = { algorithms, transcript, ...lookUp(algorithms) }
    if (role === 'server') {
      const run: Run = { role, method: agreement.method.startServer(random) }
      this.#state = { name: 'exchanging', agreement, run, skipsNext: skipsGuess }
      return
    }
    const method = agreement.method.startClient(random)
    this.#state = { name: 'exchanging', agreement, run: { role, method }, skipsNext: skipsGuess }
    this.#world.send(method.begin())
  }

  #step(state: StateOf<'exchanging'>, payload: Uint8Array): void {
    const { agreement, run, skipsNext } = state
    if (skipsNext) {
      this.#state = { ...state, skipsNext: false }
    } else if (run.role === 'client') {
      const step = run.method.receive(payload)
      if (step.type === 'send') this.#world.send(step.payload)
      else this.#checkServer(agreement, step.result)
    } else {
      const step = run.method.receive(payload)
      if (step.type === 'send') this.#world.send(step.payload)
      else this.#proveServer(agreement, step.result)
    }
  }

  /** Client: the server must hold the private half of the key it shows, and that key must be of the agreed kind. */
  #checkServer(agreement: Agreement, result: ClientKexResult): void {
    const { name, keyType, signatureAlgorithm } = agreement.hostKeyAlgorithm
    const key = readHostKey(result.hostKey)
    if (key.algorithm !== keyType) {
      throw new KeyExchangeFailed(
        'ERR_SSH_KEX_HOST_KEY_MISMATCH',
        `The server showed a key of type ${key.algorithm}, but ${name} was agreed on`,
        { details: { expected: keyType, found: key.algorithm } },
      )
    }
    const encodedSecret = takeSecret(agreement, result)
    const hash = hashExchange(agreement, result.hostKey, result, encodedSecret)
    if (!key.verify(hash, result.signature, signatureAlgorithm)) {
      throw new KeyExchangeFailed(
        'ERR_SSH_KEX_SIGNATURE_INVALID',
        `The server's ${signatureAlgorithm} signature over the key exchange is not valid: ` +
          'it does not hold the key it shows, or somebody changed the messages on their way',
        { details: { algorithm: signatureAlgorithm, fingerprint: key.getFingerprint() } },
      )
    }
    this.#state = { name: 'verdictPending', agreement, result, encodedSecret, hash }
    if (this.#acceptedHostKey !== undefined && equalBytes(this.#acceptedHostKey, result.hostKey)) {
      this.acceptHostKey()
    } else {
      const blob = Uint8Array.from(result.hostKey)
      this.#world.showHostKey({ key, blob, algorithm: name, fingerprint: key.getFingerprint() })
    }
  }

  /** Server: shows a key and signs with it. */
  #proveServer(agreement: Agreement, result: ServerKexResult): void {
    const { name, signatureAlgorithm } = agreement.hostKeyAlgorithm
    const hostKey = this.#options.hostKeys.find((candidate) =>
      hostKeyAlgorithmsOf(candidate.publicKey).some((algorithm) => algorithm.name === name),
    )
    if (hostKey === undefined) throw new Error(`No host key can serve ${name}, which was negotiated`)
    const { blob } = hostKey.publicKey
    const encodedSecret = takeSecret(agreement, result)
    const hash = hashExchange(agreement, blob, result, encodedSecret)
    const signature = hostKey.sign(hash, signatureAlgorithm)
    // A faulty RSA signature would give the key away: nothing leaves that does not verify.
    if (!hostKey.publicKey.verify(hash, signature, signatureAlgorithm)) {
      throw new KeyExchangeFailed(
        'ERR_SSH_KEX_SIGNING_FAILED',
        `The ${name} host key made a signature that is not valid`,
      )
    }
    this.#world.send(result.reply(blob, signature))
    this.#takeKeysIntoUse(agreement, hash, encodedSecret, blob)
  }

  #takeKeysIntoUse(agreement: Agreement, hash: Uint8Array, encodedSecret: Uint8Array, hostKeyBlob: Uint8Array): void {
    const isFirst = this.#sessionIdentifier === undefined
    this.#sessionIdentifier ??= hash
    const sessionIdentifier = this.#sessionIdentifier
    const source = { hash: agreement.method.hash, encodedSecret, exchangeHash: hash, sessionIdentifier }
    const { clientToServer, serverToClient } = agreement.directions
    const clientKeys = deriveDirection(source, 'clientToServer', clientToServer)
    const serverKeys = deriveDirection(source, 'serverToClient', serverToClient)
    wipe(encodedSecret)
    const isClient = this.#options.role === 'client'
    const { algorithms } = agreement
    this.#world.send(newKeys.encode({}))
    this.#state = {
      name: 'newKeysSent',
      keys: isClient ? serverKeys : clientKeys,
      change: { algorithms, sessionIdentifier, hostKeyBlob, isFirst },
    }
    this.#world.switchSending(isClient ? clientKeys : serverKeys)
  }

  #finish(state: StateOf<'newKeysSent'>, payload: Uint8Array): void {
    newKeys.decode(payload)
    this.#state = { name: 'idle' }
    this.#world.switchReceiving(state.keys)
    this.#world.keysChanged(state.change)
  }
}

/** Rows for the names agreed on. Only names that have a row are ever offered. */
function lookUp(algorithms: NegotiatedAlgorithms): Pick<Agreement, 'method' | 'hostKeyAlgorithm' | 'directions'> {
  const directionRows = ({ encryption, mac, compression }: DirectionAlgorithms): DirectionRows => ({
    cipher: expectRow(ciphers.get(encryption), encryption),
    mac: mac === undefined ? undefined : expectRow(macs.get(mac), mac),
    compression: expectRow(compressionAlgorithms.get(compression), compression),
  })
  return {
    method: expectRow(kexMethod(algorithms.kex), algorithms.kex),
    hostKeyAlgorithm: expectRow(hostKeyAlgorithm(algorithms.serverHostKey), algorithms.serverHostKey),
    directions: {
      clientToServer: directionRows(algorithms.clientToServer),
      serverToClient: directionRows(algorithms.serverToClient),
    },
  }
}

function expectRow<Row>(row: Row | undefined, name: string): Row {
  if (row === undefined) throw new Error(`Algorithm ${name} was offered but is not supported`)
  return row
}

/** Encodes the secret and wipes its raw form. */
function takeSecret({ method }: Agreement, { secret }: KexResult): Uint8Array {
  const encoded = encodeSecret(secret, method.secretEncoding)
  wipe(secret)
  return encoded
}

function hashExchange(
  agreement: Agreement,
  hostKey: Uint8Array,
  result: KexResult,
  encodedSecret: Uint8Array,
): Uint8Array {
  const { methodFields } = result
  return exchangeHash(agreement.method.hash, agreement.transcript, { hostKey, methodFields, encodedSecret })
}

function readHostKey(blob: Uint8Array): PublicKey {
  try {
    return parsePublicKey(blob)
  } catch (cause) {
    throw new KeyExchangeFailed('ERR_SSH_KEX_HOST_KEY_INVALID', 'The host key that the server showed cannot be read', {
      cause,
    })
  }
}
