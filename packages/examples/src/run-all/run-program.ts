/** Runs one example as a user would: as a program of its own, in a folder of its own. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'

/** Where and as whom an example runs. */
export interface Surroundings {
  /** Its working directory. */
  readonly folder: string
  /** Its home, with `.ssh` in it. */
  readonly home: string
}

export interface RunExampleOptions {
  /** What is typed. */
  readonly stdin?: string | undefined
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Arguments of Node. Default: those of this process, so that TypeScript runs there as it does here. */
  readonly nodeArguments?: readonly string[] | undefined
}

/** How long an example may take, servers included. */
const longestMs = 100_000

/**
 * Runs an example to its end.
 * @param name file name without its extension
 * @returns what it printed
 * @throws Error when it does not end by itself, or not with status 0
 */
export async function runExample(
  name: string,
  args: readonly string[],
  where: Surroundings,
  { stdin = '', env = {}, nodeArguments }: RunExampleOptions = {},
): Promise<string> {
  const child = start(name, args, { ...where, env }, nodeArguments)
  child.stdin.end(stdin)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const [code, signal] = await once(child, 'close')
  if (code === 0) return stdout()
  throw new Error(`${name} ended with ${signal ?? code}\n${stdout()}${stderr()}`)
}

/** An example that listens. */
export interface ListeningExample {
  readonly port: number
  /** What it has printed so far. */
  output(): string
  /** Settles when it has ended by itself. */
  readonly ended: Promise<unknown>
}

/**
 * Starts an example that listens, and ends it after `work`.
 * @param args behind the port, which is 0
 */
export async function withServer(
  name: string,
  args: readonly string[],
  where: Surroundings,
  work: (example: ListeningExample) => Promise<void>,
  nodeArguments?: readonly string[],
): Promise<void> {
  const child = start(name, ['0', ...args], where, nodeArguments)
  const output = collect(child.stdout)
  const errors = collect(child.stderr)
  const ended = once(child, 'close')
  try {
    await work({ port: await listeningPort(child, ended, output, errors), output, ended })
  } finally {
    child.kill()
    await ended
  }
}

async function listeningPort(
  child: ChildProcessWithoutNullStreams,
  ended: Promise<unknown>,
  output: () => string,
  errors: () => string,
): Promise<number> {
  let isOver = false
  const over = ended.then(() => {
    isOver = true
  })
  for (;;) {
    const port = /^listening on port (\d+)\n/m.exec(output())?.[1]
    if (port !== undefined) return Number(port)
    if (isOver) throw new Error(`It ended before it listened\n${output()}${errors()}`)
    await Promise.race([once(child.stdout, 'data'), over])
  }
}

function start(
  name: string,
  args: readonly string[],
  { folder, home, env }: Surroundings & Pick<RunExampleOptions, 'env'>,
  nodeArguments: readonly string[] = process.execArgv,
): ChildProcessWithoutNullStreams {
  // .ts or, when built, .js.
  const program = join(import.meta.dirname, `../${name}${extname(import.meta.filename)}`)
  return spawn(process.execPath, [...nodeArguments, program, ...args], {
    cwd: folder,
    env: { ...process.env, HOME: home, USERPROFILE: home, ...env },
    timeout: longestMs,
  })
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}
