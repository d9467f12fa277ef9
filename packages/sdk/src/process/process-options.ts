/** Options of `run` and `createProcess`: strict schemas, checked at the edge. Types are inferred from them. */

import type { FileHandle } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import { abortSignal, duration, size, x11Options } from '@ssh/conn'
import { type TerminalModeName, terminalModeOpcodes } from '@ssh/wire'
import { z } from 'zod'

/** A file by its path. It is opened before the command starts, so a wrong path fails before anything ran. */
export interface PathRedirect {
  readonly path: string | URL
  /** For output: add to the file instead of replacing what is in it. */
  readonly append?: boolean | undefined
  /** For output: permission bits of a new file. Default 0o666, less the umask. */
  readonly mode?: number | undefined
}

/** A place that bytes can be read from. */
export type ByteInput =
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | FileHandle
  | number
  | PathRedirect

/** A place that bytes can be written to. */
export type ByteOutput = Writable | WritableStream<Uint8Array> | FileHandle | number | PathRedirect

/**
 * Where standard input comes from. `'pipe'`: what is written to `stdin`; `'ignore'`: nothing, it is at its end;
 * `'inherit'`: this process's own. With `{ from, end: false }` standard input stays open when the source ends.
 */
export type InputSource =
  | 'pipe'
  | 'ignore'
  | 'inherit'
  | ByteInput
  | { readonly from: ByteInput; readonly end?: boolean | undefined }

/**
 * Where an output goes. `'pipe'`: it is read from the process; `'ignore'`: it is discarded; `'inherit'`: to this
 * process's own. A target is closed at the end, except with `{ to, end: false }`, and except descriptors 0 to 2.
 */
export type OutputTarget =
  | 'pipe'
  | 'ignore'
  | 'inherit'
  | ByteOutput
  | { readonly to: ByteOutput; readonly end?: boolean | undefined }

/** `'stdout'` sends standard error where standard output goes, in the order of arrival. */
export type ErrorTarget = OutputTarget | 'stdout'

/** What is written to standard input, which then ends. */
export type Input = string | Uint8Array | Readable | AsyncIterable<Uint8Array | string>

/** Encodings of output as text, and `buffer` for bytes. */
export const outputEncodings = ['utf8', 'utf16le', 'latin1', 'ascii', 'base64', 'hex', 'buffer'] as const
export type OutputEncoding = (typeof outputEncodings)[number]

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const hasMethod = (value: unknown, name: string) => isObject(value) && typeof Reflect.get(value, name) === 'function'
const isDescriptor = (value: unknown) => Number.isInteger(value) && (value as number) >= 0
const isFile = (value: unknown) =>
  isDescriptor(value) || hasMethod(value, 'createReadStream') || isObjectWith(value, 'path')
const isIterable = (value: unknown) => isObject(value) && Symbol.asyncIterator in value
const isInput = (value: unknown): value is ByteInput =>
  hasMethod(value, 'pipe') || hasMethod(value, 'getReader') || isIterable(value) || isFile(value)
const isOutput = (value: unknown): value is ByteOutput =>
  (hasMethod(value, 'write') && hasMethod(value, 'end')) || hasMethod(value, 'getWriter') || isFile(value)

function isObjectWith(value: unknown, key: string): boolean {
  return isObject(value) && key in value
}

const plainKinds = ['pipe', 'ignore', 'inherit'] as const
const end = z.boolean().optional()
const input = z.custom<ByteInput>(isInput, { message: 'expected a readable stream, file, descriptor or { path }' })
const output = z.custom<ByteOutput>(isOutput, { message: 'expected a writable stream, file, descriptor or { path }' })

const inputSource: z.ZodType<InputSource, InputSource> = z.union([
  z.enum(plainKinds),
  input,
  z.strictObject({ from: input, end }),
])
const outputTarget: z.ZodType<OutputTarget, OutputTarget> = z.union([
  z.enum(plainKinds),
  output,
  z.strictObject({ to: output, end }),
])
const errorTarget: z.ZodType<ErrorTarget, ErrorTarget> = z.union([z.literal('stdout'), outputTarget])

/** Where the streams of a process go; of `redirect` as well. */
const redirections = {
  /** Default `'pipe'`. */
  stdin: inputSource.optional(),
  /** Default `'pipe'`. */
  stdout: outputTarget.optional(),
  /** Default `'pipe'`. */
  stderr: errorTarget.optional(),
}

export const redirectOptionsSchema = z.strictObject({ ...redirections, stderr: outputTarget.optional() })

const dimension = z.int().min(0).max(0xffff)
const modeValue = z.int().min(0).max(0xffff_ffff)
const modeNames = Object.keys(terminalModeOpcodes) as [TerminalModeName, ...TerminalModeName[]]

export const processOptionsSchema = z.strictObject({
  ...redirections,
  /** Subsystem to start in place of a command, for instance `netconf`. */
  subsystem: z.string().min(1).optional(),
  /** Written to standard input, which then ends. */
  input: z
    .custom<Input>((value) => typeof value === 'string' || value instanceof Uint8Array || isIterable(value), {
      message: 'expected text, bytes, a readable stream or an async iterable',
    })
    .optional(),
  /**
   * How output becomes text. `'buffer'`: it stays bytes. Default: collected output is UTF-8 text, while the streams of
   * a process give bytes; naming an encoding makes them give text too.
   */
  encoding: z.enum(outputEncodings).optional(),
  /** Bytes of each output that are collected; more is an error. Default 100 MiB. */
  maxBuffer: z.union([z.literal(Number.POSITIVE_INFINITY), size]).optional(),
  /** Variables for the command. Most servers accept few names (AcceptEnv in OpenSSH). */
  env: z.record(z.string().min(1), z.string()).optional(),
  /** Names of this process's variables to send along; `*` and `?` stand for any text and any character. */
  sendEnv: z.union([z.string(), z.array(z.string()).readonly()]).optional(),
  /** Directory to run the command in, for a POSIX shell. If it cannot be entered, the command does not run. */
  cwd: z.string().min(1).optional(),
  /** Run in a pseudo-terminal; output and errors are then one stream, `stdout`. Default false. */
  requestPty: z.boolean().optional(),
  /** Terminal type. Default: TERM of this process, or `xterm-256color`. */
  termType: z.string().min(1).optional(),
  /** Columns and rows, and optionally width and height in pixels. Default: this process's terminal, or 80 by 24. */
  termSize: z
    .union([
      z.tuple([dimension, dimension]),
      z.tuple([dimension, dimension, dimension, dimension]),
      z.strictObject({
        columns: dimension,
        rows: dimension,
        width: dimension.optional(),
        height: dimension.optional(),
      }),
    ])
    .optional(),
  /** Terminal modes by name, for instance `{ ECHO: 0 }`. */
  termModes: z
    .union([z.partialRecord(z.enum(modeNames), modeValue), z.map(z.union([z.enum(modeNames), z.int()]), modeValue)])
    .optional(),
  ...x11Options,
  /**
   * Lets the command use our agent: that of the connection's `agentPath`, or the one at a path of its own. Whoever
   * controls the server can log in elsewhere by it meanwhile. Default: what the connection's options say.
   */
  agentForwarding: z.union([z.boolean(), z.string().min(1)]).optional(),
  /**
   * Gives up starting. Of `createProcess` no more than that: a process that has started goes on, and `kill` or `close` end
   * it. With `run` also the waiting: the command is sent SIGTERM, and the session is closed.
   */
  signal: abortSignal.optional(),
})

export const waitOptionsSchema = z.strictObject({
  /** Reject unless the exit status is 0. Default false. */
  check: z.boolean().optional(),
  /** Limit for the wait; the process goes on after it. Default: none, as is 0. */
  timeout: duration.optional(),
  /** Gives up waiting; the process goes on. */
  signal: abortSignal.optional(),
})

export const sendBreakOptionsSchema = z.strictObject({
  /** Gives up waiting for the answer; the break is sent. */
  signal: abortSignal.optional(),
})

export const runOptionsSchema = processOptionsSchema.extend({
  /** Reject unless the exit status is 0. Default false. */
  check: z.boolean().optional(),
  /** Limit for everything from opening the session on; the command is sent SIGTERM then. Default: none, as is 0. */
  timeout: duration.optional(),
})

/** Options of `createProcess`. */
export type ProcessOptions = z.input<typeof processOptionsSchema>
/** Options of `run`. */
export type RunOptions = z.input<typeof runOptionsSchema>
/** Options of `wait`. */
export type WaitOptions = z.input<typeof waitOptionsSchema>
/** Options of `sendBreak`. */
export type SendBreakOptions = z.input<typeof sendBreakOptionsSchema>
/** Options of `redirect`. */
export type RedirectOptions = z.input<typeof redirectOptionsSchema>
export type ParsedProcessOptions = z.output<typeof processOptionsSchema>

/** Type of collected output for an `encoding` option. */
export type OutputOf<E> = E extends 'buffer' ? Buffer : string
