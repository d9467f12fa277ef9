/** Serves SCP from the files of an SFTP handler: what `scp -t` and `scp -f` do on other servers. */

import { type ByteChannel, knownOptions, type OptionNames } from '@ssh/wire'
import { Progress } from '../client/progress.js'
import type { SftpHandler } from '../server/handler.js'
import type { ScpCommand } from './command.js'
import { expandPattern } from './expand-pattern.js'
import { HandlerScpFiles } from './handler-scp-files.js'
import { unescapePattern } from './name-pattern.js'
import { FileReceiver } from './receive-files.js'
import { encodeFailure } from './records.js'
import { failureText } from './remote-failure.js'
import { defaultBlockSize } from './scp-options.js'
import { ScpStream } from './scp-stream.js'
import { sendFiles } from './send-files.js'
import { takeRecords } from './sink.js'
import { ScpSource, SourceEnded } from './source.js'
import { asError } from './status.js'

export interface ServeScpOptions {
  /** Refuses everything that would change a file. Default false. */
  readonly readOnly?: boolean
}

const optionNames: OptionNames<ServeScpOptions> = { readOnly: true }

/**
 * Does on a channel what a client's scp asks for.
 *
 * The handler's own rules hold: what it maps, locks in, counts or refuses, it does so here too. Names that clients send
 * are those of one directory; one with a `/`, or with a symbolic link in its place, is refused. Half a file is removed
 * again, where the handler allows it. `onRequest` is told of what is looked at, opened, made, closed and removed, as if it
 * had been asked for by SFTP.
 *
 * @param channel standard input and output of the command; it is left open
 * @param command from `parseScpCommand`
 * @returns the exit status, once every file is closed: 0 when all was copied. Never rejects
 * @throws OptionsError for an option nobody knows
 */
export function serveScp<F>(
  channel: ByteChannel,
  handler: SftpHandler<F>,
  command: ScpCommand,
  options: ServeScpOptions = {},
): Promise<number> {
  return new Service(channel, handler, command, knownOptions('serveScp', options, optionNames)).run()
}

class Service<F> {
  readonly #stream: ScpStream
  readonly #handler: SftpHandler<F>
  readonly #files: HandlerScpFiles<F>
  readonly #command: ScpCommand
  readonly #options: ServeScpOptions
  /** Fires when the channel is over, so that nothing is walked for nobody. */
  readonly #over = new AbortController()
  #failures = 0
  /** What is being looked at, as the client named it: an error's own path may be of this machine. */
  #path: string | undefined

  constructor(channel: ByteChannel, handler: SftpHandler<F>, command: ScpCommand, options: ServeScpOptions) {
    this.#stream = new ScpStream(channel)
    this.#handler = handler
    this.#files = new HandlerScpFiles(handler)
    this.#command = command
    this.#options = options
    this.#stream.closed.then(() => this.#over.abort())
  }

  async run(): Promise<number> {
    try {
      await (this.#command.role === 'sink' ? this.#take() : this.#send())
    } catch (thrown) {
      this.#failures++
      const error = thrown instanceof SourceEnded ? thrown.reason : asError(thrown)
      this.#stream.write(encodeFailure('fatal', failureText(error, this.#path)))
    }
    await this.#files.settled()
    try {
      await this.#handler.end?.()
    } catch {
      this.#failures++
    }
    return this.#failures === 0 ? 0 : 1
  }

  async #take(): Promise<void> {
    const { paths, intoDirectory, preserve, recurse } = this.#command
    const [destination = '.'] = paths
    this.#path = destination
    if (this.#options.readOnly) throw this.#files.refuse(destination)
    const receiver = await FileReceiver.open({
      files: this.#files,
      destination,
      source: '',
      intoDirectory,
      makesDestination: false,
      preserve,
      blockSize: defaultBlockSize,
      progress: new Progress(undefined),
      signal: this.#over.signal,
    })
    this.#path = undefined
    await takeRecords(this.#stream, receiver, { recurse, requested: undefined, report: () => this.#failures++ })
  }

  async #send(): Promise<void> {
    const { paths, preserve, recurse } = this.#command
    const source = new ScpSource(this.#stream)
    await source.start()
    for (const pattern of paths) {
      const { signal } = this.#over
      this.#path = unescapePattern(pattern)
      const found = await expandPattern(this.#files, pattern, signal)
      this.#path = undefined
      await sendFiles(found, {
        files: this.#files,
        source,
        preserve,
        recurse,
        followSymlinks: true,
        blockSize: defaultBlockSize,
        progress: new Progress(undefined),
        signal,
        destination: '',
        intoDirectory: true,
        tellsFailures: true,
        report: () => this.#failures++,
      })
    }
  }
}
