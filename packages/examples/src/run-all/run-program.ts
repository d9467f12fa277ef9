/** Runs one example as a user would: as a program of its own, in a folder of its own. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { lines } from '@ssh/sdk'

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
  /** Arguments of Node. Default: those of this process, so that TypeScript runs there as it does here. */
  readonly nodeArguments?: readonly string[] | undefined
}

/** How long an example may take, servers included. */
const longestMs = 60_000

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
  { stdin = '', nodeArguments }: RunExampleOptions = {},
): Promise<string> {
  const child = start(name, args, where, nodeArguments)
  child.stdin.end(stdin)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const [code, signal] = await once(child, 'close')
  if (code === 0) return stdout()
  throw new Error(`${name} ended with ${signal ?? code}\n${stdout()}${stderr()}`)
}

/**
 * Starts an example that is a server, and ends it after `work`.
 * @param work gets the port it listens on
 */
export async function withServer(
  name: string,
  where: Surroundings,
  work: (port: number) => Promise<void>,
  nodeArguments?: readonly string[],
): Promise<void> {
  const child = start(name, ['0'], where, nodeArguments)
  const stderr = collect(child.stderr)
  const ended = once(child, 'close')
  try {
    await work(await listeningPort(child, name, stderr))
  } finally {
    child.kill()
    await ended
  }
}

async function listeningPort(
  child: ChildProcessWithoutNullStreams,
  name: string,
  stderr: () => string,
): Promise<number> {
  for await (const line of lines(child.stdout)) {
    const port = /^listening on port (\d+)$/.exec(line)?.[1]
    if (port !== undefined) return Number(port)
  }
  throw new Error(`${name} ended before it listened\n${stderr()}`)
}

function start(
  name: string,
  args: readonly string[],
  { folder, home }: Surroundings,
  nodeArguments: readonly string[] = process.execArgv,
): ChildProcessWithoutNullStreams {
  // .ts or, when built, .js.
  const program = join(import.meta.dirname, `../${name}${extname(import.meta.filename)}`)
  return spawn(process.execPath, [...nodeArguments, program, ...args], {
    cwd: folder,
    env: { ...process.env, HOME: home, USERPROFILE: home },
    timeout: longestMs,
  })
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}
