/** Our server with a folder that is `/` to its clients, and nothing but files. */

import { type SdkServer, type SdkServerOptions, startSdkServer, temporaryFolder } from '../../src/index.js'

/** @returns a server whose `folder` is what clients see as `/` */
export async function startJailedServer(options: SdkServerOptions = {}): Promise<SdkServer> {
  const folder = temporaryFolder()
  const sftpFactory = { root: folder.path }
  const server = await startSdkServer({ processFactory: undefined, sftpFactory, ...options })
  const stop = async (): Promise<void> => {
    await server.stop()
    folder.remove()
  }
  return { ...server, folder: folder.path, stop, [Symbol.asyncDispose]: stop }
}
