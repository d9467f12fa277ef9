/** A program in a pseudo-terminal, seen through whoever holds that. */

import { type ChildProcess, execFile } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import { type Duplex, type Readable, Writable } from 'node:stream'
import { ignoreError } from '@ssh/streams'
import { printable, SshError } from '@ssh/wire'
import type { PtyHelperName } from './pty-helper.js'

interface PtyProcessEvents {
  /** The program runs. */
  spawn: []
  /** The program has ended; output may still come. */
  exit: [code: number | null, signal: NodeJS.Signals | null]
  /** It has ended, and all of its output was read. */
  close: [code: number | null, signal: NodeJS.Signals | null]
  /** It could not be started, or its terminal was lost. Emitted only when somebody listens. */
  error: [error: Error]
}

/** Characters of a helper's complaint that are kept. */
const longestComplaint = 2000
/** Characters of an unfinished line that are kept. */
const longestLine = 4096

/** Shaped like `ChildProcess`. There is one output: a terminal knows no other. */
export class PtyProcess extends EventEmitter<PtyProcessEvents> {
  /** What is typed. Its end is Ctrl-D to a program that reads lines, and nothing to others. */
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr = null
  readonly #child: ChildProcess
  readonly #control: Duplex
  readonly #helper: PtyHelperName
  readonly #command: string
  #pid: number | undefined
  #tty: string | undefined
  #exit: readonly [code: number | null, signal: NodeJS.Signals | null] | undefined
  #error: Error | undefined
  #complaint = ''
  /** Signals for a program that has not told its number. */
  #signals: number[] = []
  #size: readonly [columns: number, rows: number] | undefined
  #isResizing = false
  #isHungUp = false

  /** Made by `spawnPty`. */
  constructor(child: ChildProcess, helper: PtyHelperName, command: string, signal: AbortSignal | undefined) {
    super()
    const { stdin, stdout, stderr } = child
    const control = child.stdio[3]
    if (stdin === null || stdout === null || stderr === null || !isDuplex(control)) throw new Error('four pipes')
    this.#helper = helper
    this.#command = command
    this.stdin = endingOnlyByEnd(stdin, (isUnfinished) => {
      if (helper === 'python3') this.#tell('e')
      // It sends one Ctrl-D then, which in the middle of a line ends that and no more.
      stdin.end(helper === 'script' && isUnfinished ? '\x04' : '')
    })
    this.stdout = stdout
    this.#control = control
    this.#child = child
    for (const stream of [stdin, this.stdin, stdout, control]) stream.on('error', ignoreError)
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(0, longestComplaint)
    })
    this.#listen()
    const hangUp = () => this.hangUp()
    signal?.addEventListener('abort', hangUp, { once: true })
    child.once('error', (error) => this.#fail(error))
    child.once('close', (code, killedBy) => {
      signal?.removeEventListener('abort', hangUp)
      for (const stream of [this.stdin, stdin, control]) stream.destroy()
      this.#closed(code, killedBy)
    })
    if (signal?.aborted) hangUp()
  }

  /** The program's process number, which is that of its session and process group as well; undefined before `spawn`. */
  get pid(): number | undefined {
    return this.#pid
  }

  get exitCode(): number | null {
    return this.#exit?.[0] ?? null
  }

  get signalCode(): NodeJS.Signals | null {
    return this.#exit?.[1] ?? null
  }

  /**
   * Sends a signal to the program's process group, as sshd does.
   * @returns false when the program has ended, or there is no such signal
   */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    const number = typeof signal === 'number' ? signal : constants.signals[signal]
    if (number === undefined || !isSignalNumber(number) || this.#exit !== undefined || this.#error !== undefined)
      return false
    if (this.#helper === 'python3') this.#tell(`k ${number}`)
    else if (this.#pid === undefined) this.#signals.push(number)
    else sendSignal(this.#pid, number)
    return true
  }

  /**
   * Takes the terminal away, as when a line is cut: the program is sent SIGHUP, and whatever still uses the terminal finds
   * it at its end. Nobody waits for a program that goes on without one.
   */
  hangUp(): void {
    if (this.#isHungUp) return
    this.#isHungUp = true
    this.kill('SIGHUP')
    if (this.#helper === 'python3') this.#control.end()
    else this.#child.kill('SIGKILL')
  }

  /**
   * Changes the size of the terminal; what runs in it is told by SIGWINCH. 0 leaves it as it is.
   * @throws SshError `ERR_SSH_PTY_SIZE` when that is no size
   */
  resize(columns: number, rows: number, widthPixels = 0, heightPixels = 0): void {
    for (const size of [columns, rows, widthPixels, heightPixels]) {
      if (Number.isInteger(size) && size >= 0) continue
      throw new SshError('ERR_SSH_PTY_SIZE', `${size} is no size of a terminal: whole numbers from 0 on are`)
    }
    if (columns === 0 || rows === 0 || this.#exit !== undefined) return
    const [width, height] = [Math.min(columns, 0xffff), Math.min(rows, 0xffff)]
    if (this.#helper === 'python3') {
      this.#tell(`s ${height} ${width} ${Math.min(widthPixels, 0xffff)} ${Math.min(heightPixels, 0xffff)}`)
    } else {
      this.#size = [width, height]
      this.#setSize()
    }
  }

  #tell(line: string): void {
    if (!this.#control.destroyed) this.#control.write(`${line}\n`)
  }

  #listen(): void {
    let unfinished = ''
    this.#control.setEncoding('utf8').on('data', (text: string) => {
      const lines = (unfinished + text).split('\n')
      unfinished = (lines.pop() ?? '').slice(0, longestLine)
      for (const line of lines) this.#told(line)
    })
  }

  #told(line: string): void {
    const [what, value = ''] = line.split(' ')
    if (what === 'pid') {
      this.#pid = Number(value)
      for (const signal of this.#signals.splice(0)) sendSignal(this.#pid, signal)
      this.emit('spawn')
    } else if (what === 'tty') {
      this.#tty = value
      this.#setSize()
    } else if (what === 'exit') {
      this.#exited(Number(value), null)
    } else if (what === 'signal') {
      this.#exited(null, signalNamed(Number(value)))
    } else if (what === 'error') {
      this.#fail(notStarted(this.#command, value))
    }
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#exit !== undefined) return
    this.#exit = [code, signal]
    this.emit('exit', code, signal)
  }

  /** The helper has gone. */
  #closed(code: number | null, killedBy: NodeJS.Signals | null): void {
    const isScript = this.#helper === 'script' && this.#pid !== undefined && code !== null
    if (isScript) this.#exited(code, null)
    if (this.#isHungUp) this.#exited(null, 'SIGHUP')
    if (this.#exit === undefined && this.#error === undefined) {
      const how = killedBy ?? `status ${code}`
      const said = this.#complaint === '' ? '' : `, saying: ${printable(this.#complaint.trim(), longestComplaint)}`
      this.#fail(
        new SshError('ERR_SSH_PTY_FAILED', `${this.#helper}, which held the pseudo-terminal, ended with ${how}${said}`),
      )
    }
    const [exitCode, signal] = this.#exit ?? [null, null]
    this.emit('close', exitCode, signal)
  }

  #fail(error: Error): void {
    if (this.#error !== undefined) return
    this.#error = error
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  /** One after the other; what changes meanwhile comes last. */
  #setSize(): void {
    if (this.#tty === undefined || this.#size === undefined || this.#isResizing) return
    const [columns, rows] = this.#size
    this.#size = undefined
    this.#isResizing = true
    execFile('stty', ['-F', this.#tty, 'rows', String(rows), 'cols', String(columns)], () => {
      this.#isResizing = false
      this.#setSize()
    })
  }
}

/** 0 only asks whether the program is there. */
function isSignalNumber(number: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= largestSignal
}

/** Of Linux, with its real-time signals. */
const largestSignal = 64

function sendSignal(pid: number, signal: number): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It has just ended.
  }
}

function signalNamed(number: number): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, value]) => value === number)
  return (found?.[0] as NodeJS.Signals | undefined) ?? null
}

function notStarted(command: string, code: string): Error {
  return Object.assign(new Error(`spawnPty ${printable(command)} ${code}`), {
    code,
    syscall: 'spawnPty',
    path: command,
  })
}

/**
 * A helper's input, whose end is an end of input only when it was meant so: what is destroyed is a line that was cut.
 * @param end ends it; `isUnfinished` when it ends in the middle of a line
 */
function endingOnlyByEnd(stdin: Writable, end: (isUnfinished: boolean) => void): Writable {
  let lastByte = lineFeed
  return new Writable({
    write(chunk: Uint8Array, _encoding, callback) {
      lastByte = chunk.at(-1) ?? lastByte
      stdin.write(chunk, callback)
    },
    final(callback) {
      end(lastByte !== lineFeed)
      callback()
    },
  })
}

const lineFeed = 0x0a

function isDuplex(stream: unknown): stream is Duplex {
  return typeof stream === 'object' && stream !== null && 'write' in stream && 'read' in stream
}
