/**
 * A peer with no manners: speaks enough of RFC 4253 to get keys, and otherwise sends whatever a test tells it to.
 * Its handshake (curve25519-sha256, aes128-gcm) is written apart from the one under test, as a second opinion.
 */

import { createHash } from 'node:crypto'
import { ciphers, type KexInitiation, kexAlgorithms, noneSealer, type PrivateKey } from '@ssh/crypto'
import { seededRandom } from '@ssh/testkit'
import { concatBytes, ecdhKexMessages, kexIndicators, kexInit, newKeys, toUtf8, Writer } from '@ssh/wire'
import type { KexInit } from '../src/transport/negotiate.js'
import { PacketDecoder } from '../src/transport/packet-decoder.js'
import { PacketEncoder } from '../src/transport/packet-encoder.js'
import type { Role } from '../src/transport/role.js'
import type { Transport } from '../src/transport/transport.js'

const kexName = 'curve25519-sha256'
const cipherName = 'aes128-gcm@openssh.com'
const [kexInitiate, kexReply] = ecdhKexMessages.definitions

export interface RawPeerOptions {
  readonly role: Role
  /** Server: needed unless the handshake never gets that far. */
  readonly hostKey?: PrivateKey
  /** Whether it asks for strict key exchange; default true. */
  readonly isStrict?: boolean
  /** Whether it takes EXT_INFO; default true. */
  readonly takesExtensionInfo?: boolean
  /** Changes to its KEXINIT. */
  readonly kexInit?: Partial<KexInit>
  /** Steps it does not take by itself; see `release`. */
  readonly hold?: readonly ('method' | 'newKeys')[]
  /** Server: the signature blob over the exchange hash; default an honest one. */
  readonly sign?: (hash: Uint8Array) => Uint8Array
  /** Server: the blob to show; default the host key's. */
  readonly hostKeyBlob?: Uint8Array
  /** Its line without CR LF; default an ordinary one. */
  readonly identification?: string
}

/** What it needs of the transport under test. */
type Target = Pick<Transport, 'receive' | 'takeOutput'>

export class RawPeer {
  readonly encoder = new PacketEncoder(seededRandom('raw'))
  readonly decoder = new PacketDecoder(256 * 1024)
  /** Every payload received, in order. */
  readonly received: Uint8Array[] = []
  sessionIdentifier: Uint8Array | undefined
  isStrict = false
  /** Steps it does not take by itself from now on. */
  hold: readonly ('method' | 'newKeys')[]
  readonly #options: RawPeerOptions
  readonly #target: Target
  readonly #identification: Uint8Array
  readonly #held: (() => void)[] = []
  #remoteIdentification: Uint8Array | undefined
  #preamble = Buffer.alloc(0)
  #localKexInit: Uint8Array | undefined
  #remoteKexInit: Uint8Array | undefined
  #initiation: KexInitiation | undefined
  #receivingKeys: ReturnType<RawPeer['deriveKeys']> | undefined
  #exchanges = 0

  constructor(target: Target, options: RawPeerOptions) {
    this.#target = target
    this.#options = options
    this.hold = options.hold ?? []
    this.#identification = toUtf8(options.identification ?? 'SSH-2.0-Raw_1')
  }

  get #isClient(): boolean {
    return this.#options.role === 'client'
  }

  /** Numbers of the payloads received. */
  get receivedNumbers(): number[] {
    return this.received.map((payload) => payload[0] ?? -1)
  }

  sendIdentification(): this {
    this.#target.receive(concatBytes([this.#identification, toUtf8('\r\n')]))
    return this
  }

  /** Seals and delivers one payload. */
  send(...payloads: readonly Uint8Array[]): this {
    for (const payload of payloads) this.#target.receive(this.encoder.encode([payload]))
    return this
  }

  kexInitPayload(changes: Partial<KexInit> = {}): Uint8Array {
    const { isStrict = true, takesExtensionInfo = true } = this.#options
    const markers = [
      ...(takesExtensionInfo ? [this.#isClient ? kexIndicators.extInfoClient : kexIndicators.extInfoServer] : []),
      ...(isStrict ? [this.#isClient ? kexIndicators.strictClient : kexIndicators.strictServer] : []),
    ]
    return kexInit.encode({
      cookie: Buffer.alloc(16, 7),
      kexAlgorithms: this.#exchanges === 0 ? [kexName, ...markers] : [kexName],
      serverHostKeyAlgorithms: ['ssh-ed25519'],
      encryptionAlgorithmsClientToServer: [cipherName],
      encryptionAlgorithmsServerToClient: [cipherName],
      macAlgorithmsClientToServer: [],
      macAlgorithmsServerToClient: [],
      compressionAlgorithmsClientToServer: ['none'],
      compressionAlgorithmsServerToClient: ['none'],
      languagesClientToServer: [],
      languagesServerToClient: [],
      firstKexPacketFollows: false,
      reserved: 0,
      ...this.#options.kexInit,
      ...changes,
    })
  }

  /** Sends KEXINIT, and the method's first message when it is our turn. */
  sendKexInit(changes: Partial<KexInit> = {}): this {
    this.#localKexInit = this.kexInitPayload(changes)
    this.send(this.#localKexInit)
    if (this.#remoteKexInit !== undefined) this.#beginMethod()
    return this
  }

  /** Takes the step that was held. */
  release(): this {
    this.#held.shift()?.()
    return this
  }

  /** Reads everything the transport has sent and answers key exchange messages, until nothing moves. */
  pump(): this {
    for (let output = this.#target.takeOutput(); output.length > 0; output = this.#target.takeOutput()) {
      for (const bytes of output) this.#receive(bytes)
    }
    return this
  }

  /** A whole handshake. */
  handshake(): this {
    return this.sendIdentification().sendKexInit().pump()
  }

  #receive(bytes: Uint8Array): void {
    let rest = bytes
    if (this.#remoteIdentification === undefined) {
      this.#preamble = Buffer.concat([this.#preamble, bytes])
      const end = this.#preamble.indexOf('\r\n')
      if (end < 0) return
      this.#remoteIdentification = Uint8Array.from(this.#preamble.subarray(0, end))
      rest = this.#preamble.subarray(end + 2)
    }
    this.decoder.push(rest)
    for (let payload = this.decoder.next(); payload !== undefined; payload = this.decoder.next()) {
      this.received.push(payload)
      this.#take(payload)
    }
  }

  #take(payload: Uint8Array): void {
    switch (payload[0]) {
      case kexInit.number: {
        this.#remoteKexInit = payload
        if (this.#exchanges === 0) {
          const marker = this.#isClient ? kexIndicators.strictServer : kexIndicators.strictClient
          this.isStrict = (this.#options.isStrict ?? true) && kexInit.decode(payload).kexAlgorithms.includes(marker)
        }
        if (this.#localKexInit !== undefined) this.#beginMethod()
        break
      }
      case kexInitiate.number:
        this.#respond(kexInitiate.decode(payload).publicValue)
        break
      case kexReply.number:
        this.#finish(kexReply.decode(payload))
        break
      case newKeys.number: {
        const keys = this.#receivingKeys
        if (keys === undefined) throw new Error('NEWKEYS came before there were keys')
        this.decoder.useKeys(row().createOpener(keys.key, keys.iv), undefined, this.isStrict)
        break
      }
    }
  }

  #beginMethod(): void {
    if (!this.#isClient) return
    this.#initiation = kex().initiate(seededRandom('raw kex'))
    const payload = kexInitiate.encode({ publicValue: this.#initiation.publicValue })
    this.#orHold('method', () => this.send(payload))
  }

  #respond(clientPublicValue: Uint8Array): void {
    const { hostKey, sign, hostKeyBlob } = this.#options
    if (hostKey === undefined) return
    const { publicValue, secret } = kex().respond(clientPublicValue, seededRandom('raw kex'))
    const blob = hostKeyBlob ?? hostKey.publicKey.blob
    const hash = this.#hash(blob, clientPublicValue, publicValue, secret)
    const signature = sign?.(hash) ?? hostKey.sign(hash, 'ssh-ed25519')
    this.#orHold('method', () => this.send(kexReply.encode({ hostKey: blob, publicValue, signature })))
    this.#sendNewKeys(hash, secret)
  }

  #finish(reply: { readonly hostKey: Uint8Array; readonly publicValue: Uint8Array }): void {
    if (this.#initiation === undefined) return
    const secret = this.#initiation.finish(reply.publicValue)
    const hash = this.#hash(reply.hostKey, this.#initiation.publicValue, reply.publicValue, secret)
    this.#sendNewKeys(hash, secret)
  }

  #sendNewKeys(hash: Uint8Array, secret: Uint8Array): void {
    this.sessionIdentifier ??= hash
    this.#exchanges++
    this.#localKexInit = undefined
    this.#remoteKexInit = undefined
    this.#receivingKeys = this.deriveKeys(hash, secret, this.#isClient ? ['B', 'D'] : ['A', 'C'])
    const keys = this.deriveKeys(hash, secret, this.#isClient ? ['A', 'C'] : ['B', 'D'])
    this.#orHold('newKeys', () => {
      this.send(newKeys.encode({}))
      this.encoder.useKeys(row().createSealer(keys.key, keys.iv), undefined, this.isStrict)
    })
  }

  #orHold(step: 'method' | 'newKeys', action: () => void): void {
    const isHeld = this.#held.length > 0 || this.hold.includes(step)
    if (isHeld) this.#held.push(action)
    else action()
  }

  #hash(hostKey: Uint8Array, client: Uint8Array, server: Uint8Array, secret: Uint8Array): Uint8Array {
    const [remote, local] = [this.#remoteIdentification, this.#identification]
    if (remote === undefined || this.#remoteKexInit === undefined || this.#localKexInit === undefined) {
      throw new Error('The method ran before both KEXINIT messages')
    }
    const own = { identification: local, kexInit: this.#localKexInit }
    const theirs = { identification: remote, kexInit: this.#remoteKexInit }
    const [c, s] = this.#isClient ? [own, theirs] : [theirs, own]
    const parts = [c.identification, s.identification, c.kexInit, s.kexInit, hostKey, client, server]
    const hash = createHash('sha256')
    for (const part of parts) hash.update(lengthOf(part)).update(part)
    return hash.update(asMpint(secret)).digest()
  }

  deriveKeys(hash: Uint8Array, secret: Uint8Array, [iv, key]: [string, string]) {
    const derive = (letter: string) =>
      createHash('sha256')
        .update(asMpint(secret))
        .update(hash)
        .update(letter)
        .update(this.sessionIdentifier ?? hash)
        .digest()
    return { iv: derive(iv).subarray(0, 12), key: derive(key).subarray(0, 16) }
  }
}

/** A packet as it looks before there are keys. */
export function plainPacket(payload: Uint8Array): Buffer {
  const encoder = new PacketEncoder(seededRandom('plain'))
  encoder.useKeys(noneSealer, undefined, true)
  return encoder.encode([payload])
}

function kex() {
  const algorithm = kexAlgorithms.get(kexName)
  if (algorithm === undefined) throw new Error(`${kexName} is missing`)
  return algorithm
}

function row() {
  const algorithm = ciphers.get(cipherName)
  if (algorithm === undefined) throw new Error(`${cipherName} is missing`)
  return algorithm
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return length
}

function asMpint(secret: Uint8Array): Uint8Array {
  const first = secret.findIndex((value) => value !== 0)
  const magnitude = secret.subarray(first)
  const padded = (magnitude[0] ?? 0) >= 0x80 ? concatBytes([Buffer.alloc(1), magnitude]) : magnitude
  return new Writer().writeString(padded).finish()
}
