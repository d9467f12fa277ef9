/**
 * Copies by SCP over channels that lead to a remote scp: `scp -t` takes files, `scp -f` sends them.
 *
 * A channel is the program's standard input and output. Whoever opened it learns the program's exit status and what it
 * wrote to its error output; here is only the protocol.
 */

import type { ByteChannel } from '@ssh/wire'
import { Progress } from '../client/progress.js'
import { type SftpTransferTrace, traced, transferChannel } from '../client/tracing.js'
import type { SftpError } from '../errors.js'
import { expandPattern } from './expand-pattern.js'
import { LocalScpFiles } from './local-scp-files.js'
import { expandBraces } from './name-pattern.js'
import { FileReceiver } from './receive-files.js'
import { encodeFailure } from './records.js'
import { RelayReceiver } from './relay-files.js'
import { failureText } from './remote-failure.js'
import type { RequestedNames } from './requested-names.js'
import {
  checkedScpOptions,
  type ScpOptions,
  type ScpSinkOptions,
  type ScpSourceOptions,
  scpOptionNames,
} from './scp-options.js'
import { connectionLost, ScpStream } from './scp-stream.js'
import { sendFiles } from './send-files.js'
import { type ScpReceiver, takeRecords } from './sink.js'
import { ScpSource, SourceEnded } from './source.js'
import { asError, type Ends, tellEnds } from './status.js'

/** What files are called in errors and events. */
export interface ScpNames {
  readonly source: string
  readonly destination: string
}

/**
 * Sends local files to `scp -t`.
 * @param channel of the program; it is ended when everything is sent, and aborted on errors unless its other end has ended
 * @param paths local ones
 * @param destination what the program was told, for errors and events
 * @throws SftpError the first failure, unless `onError` takes it; what ended the channel
 * @throws AbortError
 */
export async function scpSend(
  channel: ByteChannel,
  paths: readonly string[],
  destination: string,
  options: ScpSourceOptions = {},
): Promise<void> {
  const checked = checkedScpOptions('scpSend', options, scpOptionNames.send)
  const { preserve = false, recurse = false, followSymlinks = true, blockSize, signal } = checked
  const intoDirectory = isDirectory(destination, checked.intoDirectory)
  const ends = { src: paths[0] ?? '', dst: destination }
  await copying(paths.length, ends, options, async (open, progress, report) => {
    const stream = open(channel)
    const source = new ScpSource(stream)
    await source.start()
    const settings = {
      preserve,
      recurse,
      followSymlinks,
      blockSize,
      progress,
      signal,
      destination,
      intoDirectory,
      report,
    }
    await sendFiles(paths, { ...settings, files: new LocalScpFiles(), source, tellsFailures: false })
  })
}

/**
 * Takes from `scp -f` what it was asked for.
 * @param channel of the program; it is aborted on errors
 * @param requested what it may send
 * @param names the path it was told, and the local path that files go to
 * @throws SftpError the first failure, unless `onError` takes it; what ended the channel
 * @throws AbortError
 */
export async function scpReceive(
  channel: ByteChannel,
  requested: RequestedNames,
  names: ScpNames,
  options: ScpSinkOptions = {},
): Promise<void> {
  const checked = checkedScpOptions('scpReceive', options, scpOptionNames.receive)
  const { preserve = false, recurse = false, intoDirectory = false, blockSize, signal } = checked
  await copying(1, { src: names.source, dst: names.destination }, options, async (open, progress, report) => {
    const stream = open(channel)
    const receiver = await FileReceiver.open({
      ...names,
      files: new LocalScpFiles(),
      intoDirectory,
      makesDestination: true,
      preserve,
      blockSize,
      progress,
      signal,
    })
    await takeRequested(stream, receiver, { recurse, requested, names, report })
  })
}

/**
 * Hands on to `scp -t` on one channel what `scp -f` sends on another.
 * @throws as {@link scpReceive}
 */
export async function scpRelay(
  from: ByteChannel,
  to: ByteChannel,
  requested: RequestedNames,
  names: ScpNames,
  options: ScpSinkOptions = {},
): Promise<void> {
  const checked = checkedScpOptions('scpRelay', options, scpOptionNames.relay)
  const { preserve = false, recurse = false } = checked
  const intoDirectory = isDirectory(names.destination, checked.intoDirectory)
  await copying(1, { src: names.source, dst: names.destination }, options, async (open, progress, report) => {
    const stream = open(from)
    const source = new ScpSource(open(to))
    await source.start()
    const receiver = new RelayReceiver({ ...names, intoDirectory, to: source, preserve, progress })
    await takeRequested(stream, receiver, { recurse, requested, names, report })
  })
}

/** The local paths that a pattern stands for; what is there under that very name is not read as a pattern. */
export async function expandLocalPaths(pattern: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const files = new LocalScpFiles()
  const isThere = await files.stat(pattern, false).then(
    () => true,
    () => false,
  )
  if (isThere) return [pattern]
  const found = await Promise.all(expandBraces(pattern).map((plain) => expandPattern(files, plain, signal)))
  return found.flat()
}

type Report = (error: Error, ends: Ends) => void

/** Whether a remote path is known to be a directory: whether another is one, its own machine decides. */
function isDirectory(path: string, intoDirectory = false): boolean {
  return intoDirectory || /(?:^|\/)\.{0,2}$/.test(path)
}

/**
 * Runs a role, and leaves none of the channels that it opened for it open on an error.
 * @param ends what an error is about that is about nothing smaller
 */
async function copying(
  sources: number,
  ends: Ends,
  { progress: onProgress, onError, signal }: ScpOptions,
  work: (open: (channel: ByteChannel) => ScpStream, progress: Progress, report: Report) => Promise<void>,
): Promise<void> {
  const describe = (): SftpTransferTrace => ({ operation: 'scp', sources })
  await traced(transferChannel, describe, async (trace) => {
    const progress = new Progress(onProgress)
    const streams: ScpStream[] = []
    const open = (channel: ByteChannel): ScpStream => {
      const stream = new ScpStream(channel, signal)
      streams.push(stream)
      return stream
    }
    try {
      await work(open, progress, (error, { src, dst }) => {
        tellEnds(error, { src, dst })
        if (onError === undefined) throw error
        onError(error)
      })
      for (const stream of streams) stream.end()
    } catch (thrown) {
      const error = thrown instanceof SourceEnded ? thrown.reason : asError(thrown)
      tellEnds(error, ends)
      for (const stream of streams) {
        // One that has ended by itself tells how before it closes.
        if (stream.hasEnded) stream.end()
        else {
          stream.write(encodeFailure('fatal', failureText(error, undefined)))
          stream.abort(error)
        }
      }
      throw error
    } finally {
      if (trace !== undefined) Object.assign(trace, progress.copied)
    }
  })
}

interface RequestedRecords {
  readonly recurse: boolean
  readonly requested: RequestedNames
  readonly names: ScpNames
  readonly report: Report
}

/** Takes what was asked for. @throws SftpError as `takeRecords`, and when nothing came, not even a reason */
async function takeRequested(stream: ScpStream, receiver: ScpReceiver, records: RequestedRecords): Promise<void> {
  const { recurse, requested, names, report } = records
  let failures = 0
  await takeRecords(stream, receiver, {
    recurse,
    requested,
    report: (error, entry) => {
      failures++
      report(error, { src: entry.src ?? names.source, dst: entry.dst ?? names.destination })
    },
  })
  if (requested.count === 0 && failures === 0) throw sentNothing(names.source)
}

function sentNothing(path: string): SftpError {
  return connectionLost(`The remote side ended without sending "${path}"`)
}
