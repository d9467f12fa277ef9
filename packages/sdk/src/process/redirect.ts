/** Turns what a redirection names into a Node stream, opened before the command starts. */

import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import type { ByteInput, ByteOutput, ErrorTarget, InputSource, OutputTarget } from './process-options.js'
import type { PumpOptions } from './pump.js'

/** What feeds standard input. */
export type OpenInput =
  | { readonly kind: 'pipe' | 'ignore' }
  | { readonly kind: 'stream'; readonly stream: Readable; readonly pumping: PumpOptions }

/** What takes an output. */
export type OpenOutput =
  | { readonly kind: 'pipe' | 'ignore' | 'stdout' }
  | { readonly kind: 'stream'; readonly stream: Writable; readonly pumping: PumpOptions }

export interface OpenRedirects {
  readonly stdin?: OpenInput
  readonly stdout?: OpenOutput
  readonly stderr?: OpenOutput
}

/** The streams of this process, for `'inherit'`. */
export interface OwnStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
}

/**
 * Opens what is named; paths are opened here.
 * @throws Error the system's, when a file cannot be opened; what was opened before it is closed
 */
export async function openRedirects(
  options: { stdin?: InputSource | undefined; stdout?: OutputTarget | undefined; stderr?: ErrorTarget | undefined },
  own: OwnStreams = process,
): Promise<OpenRedirects> {
  const opened: { stdin?: OpenInput; stdout?: OpenOutput; stderr?: OpenOutput } = {}
  try {
    if (options.stdin !== undefined) opened.stdin = await openInput(options.stdin, own.stdin)
    if (options.stdout !== undefined) opened.stdout = await openOutput(options.stdout, own.stdout)
    if (options.stderr !== undefined) opened.stderr = await openOutput(options.stderr, own.stderr)
  } catch (error) {
    closeRedirects(opened)
    throw error
  }
  return opened
}

/** Closes what was opened and will not be used, as far as it is to be closed at all. */
export function closeRedirects({ stdin, stdout, stderr }: OpenRedirects): void {
  if (stdin?.kind === 'stream' && stdin.pumping.destroySource !== false) stdin.stream.destroy()
  for (const output of [stdout, stderr]) {
    if (output?.kind === 'stream' && output.pumping.endTarget !== false) output.stream.destroy()
  }
}

async function openInput(source: InputSource, own: Readable): Promise<OpenInput> {
  if (source === 'pipe' || source === 'ignore') return { kind: source }
  // This process's own input outlives every command.
  if (source === 'inherit') return { kind: 'stream', stream: own, pumping: { destroySource: false } }
  if (isFrom(source)) {
    return { kind: 'stream', stream: await toReadable(source.from), pumping: { endTarget: source.end ?? true } }
  }
  return { kind: 'stream', stream: await toReadable(source), pumping: {} }
}

async function openOutput(target: ErrorTarget, own: Writable): Promise<OpenOutput> {
  if (target === 'pipe' || target === 'ignore' || target === 'stdout') return { kind: target }
  if (target === 'inherit') return { kind: 'stream', stream: own, pumping: { endTarget: false } }
  return isTo(target) ? toWritable(target.to, target.end ?? true) : toWritable(target, true)
}

async function toReadable(input: ByteInput): Promise<Readable> {
  if (typeof input === 'number') return createReadStream('', { fd: input, autoClose: isOwnDescriptor(input) })
  if (input instanceof Readable) return input
  if (isFileHandle(input)) return input.createReadStream()
  if ('path' in input && !('pipe' in input)) return (await open(input.path)).createReadStream()
  if ('getReader' in input) return Readable.fromWeb(input as ReadableStream)
  // A stream from another copy of the streams library is iterable as well.
  return Readable.from(input as AsyncIterable<Uint8Array>, { objectMode: false })
}

/** A stream of ours over a file ends in any case, so that all is written; `close` says whether the file is closed. */
async function toWritable(output: ByteOutput, close: boolean): Promise<OpenOutput> {
  const file = (stream: Writable): OpenOutput => ({ kind: 'stream', stream, pumping: {} })
  if (typeof output === 'number') {
    return file(createWriteStream('', { fd: output, autoClose: close && isOwnDescriptor(output) }))
  }
  if (isFileHandle(output)) return file(close ? output.createWriteStream() : handleWritable(output))
  if ('path' in output && !('write' in output)) {
    return file((await open(output.path, output.append === true ? 'a' : 'w', output.mode)).createWriteStream())
  }
  if ('getWriter' in output) return file(webWritable(output, close))
  return { kind: 'stream', stream: output as Writable, pumping: { endTarget: close } }
}

/** Unlike `Writable.fromWeb`, gives the lock back when it must not close the stream. */
function webWritable(stream: WritableStream<Uint8Array>, close: boolean): Writable {
  const writer = stream.getWriter()
  writer.closed.catch(() => {})
  return new Writable({
    write: (chunk: Uint8Array, _encoding, callback) => settle(writer.write(chunk), callback),
    final(callback) {
      if (close) return settle(writer.close(), callback)
      writer.releaseLock()
      callback()
    },
    destroy(error, callback) {
      if (error && close) writer.abort(error).catch(() => {})
      callback(error)
    },
  })
}

/** Unlike `createWriteStream`, keeps no hold on a file that it must not close. */
function handleWritable(handle: FileHandle): Writable {
  return new Writable({ write: (chunk: Uint8Array, _encoding, callback) => settle(handle.writeFile(chunk), callback) })
}

function settle(work: Promise<void>, callback: (error?: Error | null) => void): void {
  work.then(() => callback(), callback)
}

/** Descriptors 0 to 2 belong to this process as a whole. */
function isOwnDescriptor(descriptor: number): boolean {
  return descriptor > 2
}

function isFileHandle(value: object): value is FileHandle {
  return 'createReadStream' in value && 'createWriteStream' in value
}

function isFrom(source: InputSource): source is Extract<InputSource, { from: ByteInput }> {
  return typeof source === 'object' && 'from' in source && !('pipe' in source)
}

function isTo(target: OutputTarget): target is Extract<OutputTarget, { to: ByteOutput }> {
  return typeof target === 'object' && 'to' in target && !('write' in target)
}
