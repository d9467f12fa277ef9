/** A socket of our own at which the programs of one session find an agent: what sshd makes for SSH_AUTH_SOCK. */

import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StreamListener } from './stream-listener.js'

export interface AgentListenerHandlers {
  /** Somebody wants to speak to the agent; the socket is yours to read, close and watch. */
  onConnection(socket: Socket): void
  onError(error: Error): void
}

/**
 * Only this user gets at it: the socket has mode 0600, in a folder of its own with mode 0700. On Windows it is a named
 * pipe that nobody can guess.
 */
export class AgentListener {
  readonly path: string
  readonly #listener: StreamListener
  readonly #folder: string | undefined

  private constructor(listener: StreamListener, path: string, folder: string | undefined) {
    this.#listener = listener
    this.path = path
    this.#folder = folder
  }

  /** @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; Error the system's, when no folder can be made */
  static async open(handlers: AgentListenerHandlers): Promise<AgentListener> {
    if (process.platform === 'win32') {
      const path = `\\\\.\\pipe\\ssh-agent-${randomUUID()}`
      return new AgentListener(await StreamListener.open({ path }, handlers), path, undefined)
    }
    const folder = await mkdtemp(join(tmpdir(), 'ssh-agent-'))
    const path = join(folder, 'agent')
    try {
      return new AgentListener(await StreamListener.open({ path }, handlers), path, folder)
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Stops accepting and removes the socket, at once, as the process may be about to end; open connections stay. */
  close(): void {
    this.#listener.close()
    try {
      if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
    } catch {
      // An empty folder that somebody else holds on to does no harm.
    }
  }
}
