/**
 * Poly1305 (RFC 8439 §2.5) in WebAssembly, whose code is put together here, instruction by instruction: a formula of
 * TypeScript becomes the bytes that compute it. Several times as fast as the same in JavaScript, which has no integers
 * of 64 bits.
 *
 * Numbers modulo 2^130 - 5 are held as five limbs of 26 bits in 64-bit integers, so that a product of limbs, and the sum
 * of five of them, fits one. No instruction depends in its time on what is in the limbs, and no branch on more than the
 * length.
 */

/** The tag of a message, 16 bytes, under a key of 32 bytes that is used for this message only. */
export type Poly1305 = (message: Uint8Array, key: Uint8Array) => Uint8Array

/** The part of WebAssembly that is used; TypeScript declares it for browsers only. */
interface Runtime {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  authenticate(messageLength: number): void
}

/** Where things are in the module's memory: key, tag, then the message. */
const keyAddress = 0
const keyLength = 32
const tagAddress = 32
const tagLength = 16
const messageAddress = 64
const pageLength = 65536
/** Enough for the largest packet that is usual; more is taken when it is needed. */
const initialPages = 5

/** Makes one; undefined where the runtime has no WebAssembly (`node --jitless`), or no memory for it. */
export function compilePoly1305(): Poly1305 | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: Runtime }
  if (WebAssembly === undefined) return undefined
  try {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()))
    return withExports(instance.exports as Exports)
  } catch {
    return undefined
  }
}

function withExports({ memory, authenticate }: Exports): Poly1305 {
  let bytes = new Uint8Array(memory.buffer)
  return (message, key) => {
    const end = messageAddress + message.length
    // A block is read whole, even if the message ends within.
    const missing = end + blockLength - bytes.length
    if (missing > 0) {
      memory.grow(Math.ceil(missing / pageLength))
      bytes = new Uint8Array(memory.buffer)
    }
    bytes.set(key.subarray(0, keyLength), keyAddress)
    bytes.set(message, messageAddress)
    bytes.fill(0, end, end + blockLength)
    // The bit behind the message; behind a whole block it is the module's to add.
    if (message.length % blockLength > 0) bytes[end] = 1
    authenticate(message.length)
    bytes.fill(0, keyAddress, keyLength)
    return bytes.slice(tagAddress, tagAddress + tagLength)
  }
}

// The function

const blockLength = 16
const limbMask = 0x3ffffff

/** Numbers of the locals: the parameter, one pointer, then integers of 64 bits. */
const end = 0
const pointer = 1
const [low, high, carry] = [2, 3, 4]
/** The clamped key, times 5 where a product passes 2^130; the sum; the product; the sum less the modulus. */
const r = [5, 6, 7, 8, 9] as const
const r5 = [10, 11, 12, 13, 14] as const
const h = [15, 16, 17, 18, 19] as const
const d = [20, 21, 22, 23, 24] as const
const longs = 23

/** Code that leaves one value. */
type Expression = readonly number[]
type Limbs = readonly [number, number, number, number, number]

const get = (local: number): Expression => [0x20, local]
const set = (local: number, value: Expression): Expression => [...value, 0x21, local]
const long = (value: number): Expression => [0x42, ...signedLeb(value)]
const int = (value: number): Expression => [0x41, ...signedLeb(value)]
const binary =
  (opcode: number) =>
  (left: Expression, right: Expression): Expression => [...left, ...right, opcode]
const add = binary(0x7c)
const subtract = binary(0x7d)
const multiply = binary(0x7e)
const and = binary(0x83)
const or = binary(0x84)
const xor = binary(0x85)
const shiftLeft = binary(0x86)
const shiftRightSigned = binary(0x87)
const shiftRight = binary(0x88)
const isLess = binary(0x54)
const addInt = binary(0x6a)
const subtractInt = binary(0x6b)
const isAtLeastInt = binary(0x4f)
const toLong = (value: Expression): Expression => [...value, 0xad]
const select = (ifTrue: Expression, ifFalse: Expression, condition: Expression): Expression => [
  ...ifTrue,
  ...ifFalse,
  ...condition,
  0x1b,
]
const load = (address: Expression, offset: number): Expression => [...address, 0x29, 0, offset]
const store = (address: number, value: Expression): Expression => [...int(address), ...value, 0x37, 0, 0]

/** `low` and `high`, 128 bits, as limbs; the first four still with what is above them. */
const limbsOfBlock: readonly Expression[] = [
  get(low),
  shiftRight(get(low), long(26)),
  or(shiftRight(get(low), long(52)), shiftLeft(get(high), long(12))),
  shiftRight(get(high), long(14)),
  shiftRight(get(high), long(40)),
]

/** RFC 8439 §2.5: 22 bits of r are zero. */
const clampMasks: Limbs = [0x3ffffff, 0x3ffff03, 0x3ffc0ff, 0x3f03fff, 0x00fffff]

function authenticateCode(): Expression {
  return [
    ...set(low, load(int(keyAddress), 0)),
    ...set(high, load(int(keyAddress), 8)),
    ...each((limb) => set(r[limb], and(limbOf(limb), long(clampMasks[limb])))),
    ...each((limb) => set(r5[limb], multiply(get(r[limb]), long(5)))),
    ...set(pointer, int(messageAddress)),
    ...set(end, addInt(get(end), int(messageAddress))),
    // block, loop, and out of both at the end
    ...[0x02, 0x40, 0x03, 0x40, ...isAtLeastInt(get(pointer), get(end)), 0x0d, 1],
    ...addBlock(),
    ...multiplyByKey(),
    ...set(pointer, addInt(get(pointer), int(blockLength))),
    ...[0x0c, 0, 0x0b, 0x0b],
    ...reduce(),
    ...storeTag(),
  ]
}

/** h += the block at the pointer, with a bit behind it if it is whole. */
function addBlock(): Expression {
  const isWhole = isAtLeastInt(subtractInt(get(end), get(pointer)), int(blockLength))
  const bitBehind = select(long(1 << 24), long(0), isWhole)
  return [
    ...set(low, load(get(pointer), 0)),
    ...set(high, load(get(pointer), 8)),
    ...each((limb) => {
      const added = limb === 4 ? or(limbOf(limb), bitBehind) : and(limbOf(limb), long(limbMask))
      return set(h[limb], add(get(h[limb]), added))
    }),
  ]
}

/** h = h * r, with limbs of 26 bits but for the second and the last, which may be a little larger. */
function multiplyByKey(): Expression {
  return [
    ...each((limb) => {
      const products = ([0, 1, 2, 3, 4] as const).map((other) => {
        const factor = other <= limb ? r[(limb - other) as Limb] : r5[(5 + limb - other) as Limb]
        return multiply(get(h[other]), get(factor))
      })
      return set(d[limb], products.reduce(add))
    }),
    // Two chains side by side, since each step waits for the one before.
    ...carryOver(0, d, d),
    ...carryOver(3, d, d),
    ...carryOver(1, d, d),
    ...carryOver(4, d, d),
    ...carryOver(2, d, d),
    ...carryOver(0, d, d),
    ...carryOver(3, d, d),
    ...each((limb) => set(h[limb], get(d[limb]))),
  ]
}

/** Moves what is above the 26 bits of a limb to the next; 2^130 is 5. */
function carryOver(limb: Limb, from: Locals, to: Locals): Expression {
  const next = ((limb + 1) % 5) as Limb
  const carried = limb === 4 ? multiply(get(carry), long(5)) : get(carry)
  return [
    ...set(carry, shiftRight(get(from[limb]), long(26))),
    ...set(to[limb], and(get(from[limb]), long(limbMask))),
    ...set(to[next], add(get(to[next]), carried)),
  ]
}

/** h = h modulo 2^130 - 5: h + 5 - 2^130 if that is not negative. */
function reduce(): Expression {
  return [
    ...([1, 2, 3, 4, 0, 1, 2, 3] as const).flatMap((limb) => carryOver(limb, h, h)),
    ...each((limb) => set(d[limb], get(h[limb]))),
    ...set(d[0], add(get(d[0]), long(5))),
    ...([0, 1, 2, 3] as const).flatMap((limb) => carryOver(limb, d, d)),
    ...set(d[4], subtract(get(d[4]), long(1 << 26))),
    // All ones if negative: then h stays.
    ...set(carry, shiftRightSigned(get(d[4]), long(63))),
    ...each((limb) => {
      const difference = and(xor(get(h[limb]), get(d[limb])), get(carry))
      return set(h[limb], xor(get(d[limb]), difference))
    }),
  ]
}

/** Tag = h + s modulo 2^128. */
function storeTag(): Expression {
  const sum = [
    or(or(get(h[0]), shiftLeft(get(h[1]), long(26))), shiftLeft(get(h[2]), long(52))),
    or(or(shiftRight(get(h[2]), long(12)), shiftLeft(get(h[3]), long(14))), shiftLeft(get(h[4]), long(40))),
  ] as const
  const half = load(int(keyAddress), 16)
  return [
    ...set(low, add(sum[0], half)),
    ...set(carry, toLong(isLess(get(low), half))),
    ...set(high, add(add(sum[1], load(int(keyAddress), 24)), get(carry))),
    ...store(tagAddress, get(low)),
    ...store(tagAddress + 8, get(high)),
  ]
}

type Limb = 0 | 1 | 2 | 3 | 4
type Locals = readonly [number, number, number, number, number]

function each(code: (limb: Limb) => Expression): Expression {
  return ([0, 1, 2, 3, 4] as const).flatMap((limb) => [...code(limb)])
}

function limbOf(limb: Limb): Expression {
  return limbsOfBlock[limb] ?? []
}

// The module around it (WebAssembly core specification 1.0, §5)

function moduleBytes(): Uint8Array {
  const int32 = 0x7f
  const int64 = 0x7e
  const body = [2, 1, int32, longs, int64, ...authenticateCode(), 0x0b]
  const name = (text: string): number[] => vector([...Buffer.from(text)], text.length)
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    // One type: a parameter of 32 bits, no result. One function of it. One memory. Both exported.
    ...section(1, [1, 0x60, 1, int32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, initialPages]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('authenticate'), 0, 0]),
    ...section(10, [1, ...vector(body, body.length)]),
  ])
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...vector(content, content.length)]
}

function vector(content: readonly number[], count: number): number[] {
  return [...unsignedLeb(count), ...content]
}

function unsignedLeb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsignedLeb(value >>> 7)]
}

/** @param value not negative, below 2^31 */
function signedLeb(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >>> 7)]
}
