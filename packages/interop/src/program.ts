/** Runs other people's programs: bounded in time, and nothing of theirs is left when a test is over. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createConnection, createServer } from 'node:net'
import { atExit } from './at-exit.js'

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Standard input; it ends after it. Default: at its end from the start. */
  readonly input?: Uint8Array | string
  /** Default 60 s. */
  readonly timeoutMs?: number
}

export interface ProgramResult {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a program to its end. @throws Error with its output when the time is over or it cannot be started */
export async function runProgram(argv: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: 'pipe' })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A program may leave without reading its input.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const timeoutMs = options.timeoutMs ?? 60_000
  return await new Promise((resolve, reject) => {
    const said = (): string => Buffer.concat(stderr).toString()
    const timer = setTimeout(() => {
      killTree(child)
      reject(new Error(`${command} did not finish in ${timeoutMs} ms. It said:\n${said()}`))
    }, timeoutMs)
    child.once('error', (cause) => {
      clearTimeout(timer)
      reject(new Error(`${command} cannot be run`, { cause }))
    })
    child.once('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status, signal, stdout: Buffer.concat(stdout), stderr: said() })
    })
  })
}

/** Runs a program that must succeed. @returns its standard output */
export async function mustRun(argv: readonly string[], options?: ProgramOptions): Promise<string> {
  const { status, stdout, stderr } = await runProgram(argv, options)
  if (status === 0) return stdout.toString()
  throw new Error(`${argv.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
}

/** A program that serves until it is stopped. */
export interface RunningProgram {
  readonly pid: number
  /** Everything it has said so far, on both streams. */
  log(): string
  /** Its first line on standard output. @throws Error with its log when it ends before */
  readonly firstLine: Promise<string>
  /** Ends it and what it started; returns when they are gone. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts a program in the background. Its standard input stays open until it is stopped. */
export function startProgram(
  argv: readonly string[],
  options: Pick<ProgramOptions, 'env' | 'cwd'> = {},
): RunningProgram {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: 'pipe' })
  const forget = atExit(() => killTree(child))
  let log = ''
  const firstLine = new Promise<string>((resolve, reject) => {
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk
      const end = stdout.indexOf('\n')
      if (end !== -1) resolve(stdout.slice(0, end))
    })
    child.once('close', (status) => reject(new Error(`${command} ended with ${status}:\n${log}`)))
  })
  firstLine.catch(() => {})
  child.stdout.on('data', (chunk: Buffer) => (log += chunk))
  child.stderr.on('data', (chunk: Buffer) => (log += chunk))
  child.stdin.on('error', () => {})
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      log += String(error)
      forget()
      resolve()
    })
    child.once('close', () => {
      forget()
      resolve()
    })
  })
  const stop = async (): Promise<void> => {
    killTree(child)
    await gone
  }
  return { pid: child.pid ?? -1, log: () => log, firstLine, stop, [Symbol.asyncDispose]: stop }
}

/** Ends a process and its descendants: a server's sessions outlive the server that is only asked to leave. */
function killTree(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  for (const pid of [...descendantsOf(child.pid), child.pid]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself in the meantime.
    }
  }
}

function descendantsOf(ancestor: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const childrenOf = new Map<number, number[]>()
  for (const line of table.split('\n')) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number)
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), pid])
  }
  const collect = (pid: number): number[] => (childrenOf.get(pid) ?? []).flatMap((child) => [...collect(child), child])
  return collect(ancestor)
}

/**
 * Ports below those that systems give to whoever asks for any: else somebody gets the one that was free a moment ago, or
 * connects from it. Each worker that runs tests has a part of its own, and each process begins somewhere else in it.
 */
const portsOfWorker = 1500
const firstPort = 10_000 + ((Number(process.env.VITEST_POOL_ID ?? 1) - 1) % 4) * portsOfWorker
let portsGiven = (process.pid * 7) % portsOfWorker

/** A port that is free at every address, for programs that cannot choose one themselves. No call gives it again. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < portsOfWorker; tries++) {
    const port = firstPort + (portsGiven++ % portsOfWorker)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen({ port, exclusive: true }, () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
  throw new Error('No free port')
}

/** Returns once a connection to the port is accepted. @throws Error with the log when the program ends or 60 s pass */
export async function untilListening(port: number, program: RunningProgram): Promise<void> {
  const deadline = Date.now() + 60_000
  let hasEnded = false
  program.firstLine.catch(() => (hasEnded = true))
  for (;;) {
    const isListening = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (isListening) return
    if (hasEnded || Date.now() > deadline) throw new Error(`Nothing listens on port ${port}:\n${program.log()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
