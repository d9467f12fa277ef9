/** Builds the peers that no package manager brings: asyncssh and paramiko in a venv, and the Go program. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { peerCache } from './peers.js'
import { mustRun } from './program.js'

mkdirSync(peerCache, { recursive: true })
const venv = join(peerCache, 'venv')
const slow = { timeoutMs: 600_000 }

await mustRun(['python3', '-m', 'venv', venv], slow)
await mustRun([join(venv, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--upgrade', 'asyncssh', 'paramiko'], slow)
const versions = 'import asyncssh, paramiko; print("asyncssh", asyncssh.__version__, "paramiko", paramiko.__version__)'
console.log((await mustRun([join(venv, 'bin/python'), '-c', versions])).trim())

const module = join(import.meta.dirname, '../peers/go')
await mustRun(['go', 'build', '-o', join(peerCache, 'go-peer'), '.'], { ...slow, cwd: module })
console.log((await mustRun(['go', 'list', '-m', 'golang.org/x/crypto', 'github.com/pkg/sftp'], { cwd: module })).trim())
