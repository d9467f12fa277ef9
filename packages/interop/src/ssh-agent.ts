/** OpenSSH's agent in a folder of its own, and ssh-add speaking to it. */

import { join } from 'node:path'
import { peer } from './peers.js'
import { mustRun, type ProgramResult, runProgram, startProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

export interface SshAgentOptions {
  /** What the agent's user says when it asks about a key: a program that ends with 0 (yes) or 1 (no). Default: no. */
  readonly confirms?: boolean
}

export interface SshAgent {
  /** Of its socket. */
  readonly path: string
  /** Runs `ssh-add` for this agent. @param input what it asks for: a passphrase to lock with */
  sshAdd(arguments_: readonly string[], input?: string): Promise<ProgramResult>
  /** What `ssh-add -l` lists: SHA256 fingerprints, in its order. */
  fingerprints(): Promise<string[]>
  log(): string
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts `ssh-agent`. @throws Error with its log when it does not come up */
export async function startSshAgent({ confirms = false }: SshAgentOptions = {}): Promise<SshAgent> {
  const folder = temporaryFolder()
  const path = join(folder.path, 'agent')
  const decision = folder.write('confirm', `#!/bin/sh\nexit ${confirms ? 0 : 1}\n`, 0o700)
  const program = startProgram([peer('ssh-agent'), '-D', '-a', path], {
    env: { SSH_ASKPASS: decision, SSH_ASKPASS_REQUIRE: 'force' },
  })
  const stop = async (): Promise<void> => {
    await program.stop()
    folder.remove()
  }
  // It is written once the socket is listened on.
  await program.firstLine.catch(async (error: unknown) => {
    await stop()
    throw error
  })
  const sshAdd = (arguments_: readonly string[], input = ''): Promise<ProgramResult> => {
    const answer = folder.write('answer', `#!/bin/sh\nprintf "%s\\n" "$SSH_TEST_ANSWER"\n`, 0o700)
    const env = { SSH_AUTH_SOCK: path, SSH_ASKPASS: answer, SSH_ASKPASS_REQUIRE: 'force', SSH_TEST_ANSWER: input }
    return runProgram([peer('ssh-add'), ...arguments_], { env })
  }
  return {
    path,
    sshAdd,
    fingerprints: async () => {
      const { stdout } = await sshAdd(['-l'])
      return stdout.toString().match(/SHA256:\S+/g) ?? []
    },
    log: program.log,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Makes a certificate for a key, beside it. @param ca private key of the authority */
export async function certify(ca: string, key: string, principal: string): Promise<void> {
  await mustRun([peer('ssh-keygen'), '-q', '-s', ca, '-I', 'test', '-n', principal, `${key}.pub`])
}
