/**
 * Tunnel devices of this machine. Node cannot make the ioctl call that attaches to one (TUNSETIFF), so a small program
 * in Python or Perl does, and hands packets on through its standard streams: on Linux, see tuntap.rst of the kernel.
 */

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { Duplex } from 'node:stream'
import { AbortError, Fifo, printable } from '@ssh/wire'
import { TunError } from '../errors.js'
import { hasPipes } from './child-pipes.js'
import { encodeTunFrame, TunFrames } from './tun-frames.js'
import { perlHelper, pythonHelper } from './tun-helpers.js'

/** A device that is open: packets both ways, one per chunk. */
export interface TunDevice {
  /** Name of its network interface, for instance `tun0`. */
  readonly name: string
  /** In object mode. Destroying it closes the device, which then goes away unless it was made to stay. */
  readonly packets: Duplex
}

/** Which device is wanted. */
export interface TunDeviceOptions {
  /** IP packets or Ethernet frames. */
  readonly mode: 'tun' | 'tap'
  /** Number in the interface's name; undefined: one that is free. */
  readonly unit: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Opens a device: the system's, or one of whoever gives such a function. */
export type OpenTunDevice = (options: TunDeviceOptions) => Promise<TunDevice>

/** Programs that can be the helper, in the order in which they are tried. */
const helpers = [
  { command: 'python3', args: ['-I', '-c', pythonHelper] },
  { command: 'perl', args: ['-e', perlHelper] },
] as const

/**
 * Opens a tunnel device of Linux, which takes the right to administer the network (root, or CAP_NET_ADMIN) unless the
 * device was made for this user before (`ip tuntap add mode tun user …`). Addresses and routes are left to `ip`.
 *
 * @throws TunError `ERR_SSH_TUN_UNSUPPORTED` on another system, `ERR_SSH_TUN_NO_HELPER` without Python and Perl,
 *   `ERR_SSH_TUN_DEVICE` when the system refuses: `details.systemCode`
 * @throws AbortError
 */
export async function openTunDevice(options: TunDeviceOptions): Promise<TunDevice> {
  const { mode, unit, signal } = options
  if (signal?.aborted) throw new AbortError(signal.reason)
  if (process.platform !== 'linux') {
    throw new TunError(
      'ERR_SSH_TUN_UNSUPPORTED',
      `Tunnel devices can be opened on Linux only, and this is ${process.platform}. Give openDevice a function that ` +
        'opens one, or take the packets yourself with openTun or openTap',
    )
  }
  const complaints: string[] = []
  for (const { command, args } of helpers) {
    const child = spawn(command, [...args, mode, unit === undefined ? '' : String(unit), String(attachRequest())])
    const device = await start(child, options)
    if (typeof device !== 'string') return device
    complaints.push(`${command}: ${device}`)
  }
  throw new TunError(
    'ERR_SSH_TUN_NO_HELPER',
    'Node alone cannot open tunnel devices, and neither python3 nor perl is here to do it. Install one of them, or give ' +
      'openDevice a function that opens a device',
    { details: { complaints } },
  )
}

/** TUNSETIFF. Its direction bits differ on a few machines: asm/ioctl.h of the kernel. */
function attachRequest(): number {
  const others: readonly string[] = ['mips', 'mipsel', 'ppc', 'ppc64']
  return others.includes(process.arch) ? 0x800454ca : 0x400454ca
}

/** @returns what is wrong with the helper itself, when it never came as far as asking for a device */
function start(child: ChildProcess, options: TunDeviceOptions): Promise<TunDevice | string> {
  const { signal } = options
  if (!hasPipes(child)) {
    return new Promise((_, reject) => child.once('error', ({ message }) => reject(failed(message, options))))
  }
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < longestComplaint) complaint += text
  })
  const packets = new DevicePackets(child, () => failed(complaint, options))
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      packets.destroy()
      reject(new AbortError(signal?.reason))
    }
    const settled = () => signal?.removeEventListener('abort', onAbort)
    signal?.addEventListener('abort', onAbort, { once: true })
    packets.once('name', (name: string) => {
      settled()
      resolve({ name, packets })
    })
    child.once('error', (error) => {
      settled()
      packets.destroy()
      resolve(error.message)
    })
    child.once('close', () => {
      settled()
      // A helper that works says what the system refused; anything else is its own trouble.
      if (/^\d+ /.test(complaint)) reject(failed(complaint, options))
      else resolve(printable(complaint.trim()) || 'it ended at once')
    })
  })
}

const longestComplaint = 4096

/** Packets of the helper as a stream. It comes to an end with an error only: no device ends by itself. */
class DevicePackets extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #frames = new TunFrames()
  readonly #waiting = new Fifo<Uint8Array>()
  #hasName = false
  #isWanted = false

  constructor(child: ChildProcessWithoutNullStreams, failure: () => Error) {
    super({ objectMode: true, highWaterMark: 64 })
    this.#child = child
    for (const stream of [this, child.stdin, child.stdout, child.stderr]) stream.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) => this.#received(chunk))
    child.once('close', () => this.destroy(failure()))
  }

  override _read(): void {
    this.#isWanted = true
    this.#deliver()
  }

  override _write(packet: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#child.stdin.write(encodeTunFrame(packet), callback)
  }

  override _final(callback: () => void): void {
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#waiting.clear()
    // The end of its input ends the helper, and with it the device.
    this.#child.stdin.destroy()
    this.#child.stdout.destroy()
    callback(error)
  }

  #received(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.receive(chunk)) this.#take(frame)
    } catch (error) {
      this.destroy(error instanceof Error ? error : undefined)
      return
    }
    this.#deliver()
  }

  #take(frame: Uint8Array): void {
    if (this.#hasName) {
      this.#waiting.push(frame)
    } else {
      this.#hasName = true
      this.emit('name', Buffer.from(frame).toString('latin1'))
    }
  }

  /** Nobody needs to take what is full: the kernel drops what is not read, as it does for any network. */
  #deliver(): void {
    while (this.#isWanted) {
      const packet = this.#waiting.shift()
      if (packet === undefined) break
      this.#isWanted = this.push(packet)
    }
    if (this.#waiting.length > 0) this.#child.stdout.pause()
    else this.#child.stdout.resume()
  }
}

/** @param complaint what the helper said: the system's number of an error and its text */
function failed(complaint: string, { mode, unit }: TunDeviceOptions): TunError {
  const [, number, text = complaint] = /^(\d+) (.*)$/s.exec(complaint.trim()) ?? []
  const what = unit === undefined ? `a ${mode} device` : `${mode}${unit}`
  const hint = hints.get(Number(number)) ?? ''
  return new TunError('ERR_SSH_TUN_DEVICE', `Cannot use ${what}: ${printable(text) || 'the helper ended'}${hint}`, {
    details: { mode, unit, ...(number !== undefined && { errno: Number(number) }) },
  })
}

/** By the numbers that Linux has for errors. */
const hints = new Map([
  [1, '. It takes root or CAP_NET_ADMIN, or a device made for this user: ip tuntap add mode tun user NAME'],
  [2, '. Is the kernel module tun loaded?'],
  [13, '. It takes root or CAP_NET_ADMIN'],
  [16, '. Another program has it open'],
])
