/** What a file of ssh_config says of sessions and forwardings, on connections of users. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type ListenOptions, OptionsError, printClientConfig, readClientConfig } from '../src/index.js'
import { clientOptions, embedded } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ssh-config-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

/** Says what it was asked for. */
const witness: NonNullable<ListenOptions['processFactory']> = (process) => {
  const { command, subsystem, termType, env } = process
  process.stdout.write(JSON.stringify({ command, subsystem, termType, env: Object.fromEntries(env) }))
  process.exit(0)
}

/** A server, and how to log in to it by a file of ssh_config with these lines. */
async function configured(...lines: readonly string[]) {
  const { server } = await embedded({
    processFactory: witness,
    acceptEnv: ['*'],
    allowTcpForwarding: true,
  })
  const config = join(await folder(), 'config')
  const login = ['Host alias', 'HostName 127.0.0.1', `Port ${server.port}`, 'User tester']
  await writeFile(config, [...login, ...lines, ''].join('\n'), { mode: 0o600 })
  return async (options = {}) => {
    const conn = await connect('alias', clientOptions({ config, ...options }))
    onTestFinished(() => conn.close())
    return conn
  }
}

describe('sessions', () => {
  test('begin with RemoteCommand where no command is given', async () => {
    const open = await configured('RemoteCommand greet %n %r')
    const conn = await open()
    const { stdout } = await (await conn.createProcess()).wait()
    expect(JSON.parse(stdout)).toMatchObject({ command: 'greet alias tester' })
    expect(JSON.parse((await conn.run('other')).stdout)).toMatchObject({ command: 'other' })
  })

  test('begin with the subsystem that RemoteCommand names, with SessionType subsystem', async () => {
    const open = await configured('RemoteCommand witness', 'SessionType subsystem')
    const { stdout } = await (await (await open()).createProcess()).wait()
    expect(JSON.parse(stdout)).toMatchObject({ subsystem: 'witness' })
  })

  test('get the variables of SetEnv and SendEnv, beneath those of the connection and of the process', async () => {
    process.env.SSH_TEST_SENT = 'sent'
    onTestFinished(() => void delete process.env.SSH_TEST_SENT)
    const open = await configured('SetEnv A=file B=file C=file', 'SendEnv SSH_TEST_* -SSH_TEST_X')
    const conn = await open({ env: { B: 'connection', C: 'connection' } })
    const { stdout } = await conn.run('env', { env: { C: 'process' } })
    expect(JSON.parse(stdout).env).toEqual({ SSH_TEST_SENT: 'sent', A: 'file', B: 'connection', C: 'process' })
  })

  test.each([
    ['force', true],
    ['no', false],
    // Nobody's terminal is lent.
    ['yes', false],
    ['auto', false],
  ])('have a terminal as RequestTTY %s says, unless the process says so itself', async (value, hasTerminal) => {
    const conn = await (await configured(`RequestTTY ${value}`))()
    const termOf = async (options = {}) => JSON.parse((await conn.run('x', options)).stdout).termType
    expect((await termOf()) !== undefined).toBe(hasTerminal)
    expect(await termOf({ requestPty: false })).toBeUndefined()
    expect(await termOf({ requestPty: true })).toBeDefined()
  })
})

describe('forwardings', () => {
  test('are set up before the connection is handed out; one that fails is no reason not to, by itself', async () => {
    const taken = createServer()
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done))
    onTestFinished(() => void taken.close())
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const lines = [`LocalForward 127.0.0.1:${port} 127.0.0.1:9`]
    expect((await (await configured(...lines))()).info.username).toBe('tester')
    const open = await configured(...lines, 'ExitOnForwardFailure yes')
    await expect(open()).rejects.toMatchObject({ message: expect.stringMatching(/EADDRINUSE|in use/) })
    await (await open({ clearAllForwardings: true })).close()
  })
})

describe('users', () => {
  test('can see what a file means for a host, as ssh -G prints it', async () => {
    const config = join(await folder(), 'config')
    await writeFile(config, 'Host alias\nHostName %h.example.com\nPort 2222\nUser ada\nBogus keyword\n', {
      mode: 0o600,
    })
    const resolved = await readClientConfig('alias', { config })
    expect(resolved).toMatchObject({ host: 'alias.example.com', port: 2222, username: 'ada' })
    expect(resolved.warnings).toMatchObject([{ file: config, line: 5 }])
    expect(Object.fromEntries(printClientConfig(resolved))).toMatchObject({ port: ['2222'], batchmode: ['no'] })
  })

  test('cannot misspell: what is no path is an error', async () => {
    await expect(readClientConfig('alias', { config: 5 } as never)).rejects.toBeInstanceOf(OptionsError)
    await expect(readClientConfig('alias', { confg: null } as never)).rejects.toThrow('confg')
  })
})
