/** Our SFTP client against a library's server. */

import { mkdirSync } from 'node:fs'
import { connectTo, type LibraryServerOptions } from '../../src/index.js'
import { describeClientFiles, type FileServerTraits } from '../files/our-client.js'
import { inFolder, theirServer, type Workbench } from './workbench.js'

export function describeOurFiles(
  bench: Workbench,
  traits: FileServerTraits,
  options: Partial<LibraryServerOptions> = {},
): void {
  describeClientFiles(async () => {
    const conn = await connectTo(await theirServer(bench, options))
    const folder = traits.isElsewhere ? '/ours' : inFolder(bench, 'ours')
    if (traits.isElsewhere) await conn.startSftpClient().then((sftp) => sftp.mkdir(folder))
    else mkdirSync(folder)
    return { start: () => conn.startSftpClient(), folder, stop: () => conn.close() }
  }, traits)
}
