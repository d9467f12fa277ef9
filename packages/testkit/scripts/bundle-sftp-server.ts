/**
 * Builds the program `sftp-server` of @ssh/sftp as one file. Part of `pnpm build`, and done before the package is packed.
 */

import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { bundleProgram } from '../src/bundle.js'

const sftp = join(import.meta.dirname, '../../sftp')
const program = join(sftp, 'dist/sftp-server.cjs')
await bundleProgram(join(sftp, 'src/bin/sftp-server.ts'), program)
chmodSync(program, 0o755)
