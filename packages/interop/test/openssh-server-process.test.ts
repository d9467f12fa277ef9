/** Our client runs programs on sshd: how they end, what they print, what they are told. */

import {
  ChannelError,
  ChannelOpenError,
  expect as expectOutput,
  ProcessError,
  type SshClientConnection,
} from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTo, type ForeignServer, lacks, startSshd } from '../src/index.js'

describe.skipIf(lacks('sshd', 'ssh-keygen'))('processes on sshd', () => {
  let server: ForeignServer
  let conn: SshClientConnection
  beforeAll(async () => {
    server = await startSshd({ config: { AcceptEnv: 'GREETING LC_*', Subsystem: 'shout /usr/bin/tr a-z A-Z' } })
    conn = await connectTo(server)
  })
  afterAll(async () => {
    await conn?.close()
    await server?.stop()
  })

  test('a status comes back as it was', async () => {
    expect(await conn.run('exit 0')).toMatchObject({ exitStatus: 0, exitSignal: null, returncode: 0 })
    expect(await conn.run('exit 42')).toMatchObject({ exitStatus: 42, exitSignal: null, returncode: 42 })
    expect(await conn.run('no-such-program')).toMatchObject({ exitStatus: 127 })
  })

  test('a signal that ended a program comes back by its name', async () => {
    expect(await conn.run('kill -TERM $$')).toMatchObject({
      exitStatus: null,
      exitSignal: { name: 'TERM', coreDumped: false },
      returncode: -15,
    })
  })

  test('check turns any other status, and a signal, into an error that carries the output', async () => {
    const failed = await conn.run('echo out; echo why >&2; exit 3', { check: true }).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(ProcessError)
    expect(failed).toMatchObject({ exitStatus: 3, stdout: 'out\n', stderr: 'why\n' })
    await expect(conn.run('kill -KILL $$', { check: true })).rejects.toMatchObject({ exitSignal: { name: 'KILL' } })
  })

  test('the two outputs stay apart, and arguments and input arrive as they are', async () => {
    const { stdout, stderr } = await conn.run('echo out; echo err >&2')
    expect([stdout, stderr]).toEqual(['out\n', 'err\n'])
    const words = ["it's", '$HOME `x`', 'a  b', '*', 'ä€']
    expect((await conn.run(['printf', '%s\\n', ...words])).stdout).toBe(`${words.join('\n')}\n`)
    expect((await conn.run('tr a-z A-Z; echo done', { input: 'grüße\n' })).stdout).toBe('GRüßE\ndone\n')
  })

  test('a command without input finds its standard input at the end', async () => {
    expect((await conn.run('cat; echo done')).stdout).toBe('done\n')
  })

  test('a terminal has the size it was given, and the new one after a resize', async () => {
    await using shell = await conn.createProcess('stty size; read line; stty size', {
      requestPty: true,
      termType: 'vt100',
      termSize: [132, 43],
    })
    expect((await expectOutput(shell, /(\d+) (\d+)\r\n/)).groups).toEqual(['43', '132'])
    shell.resize(80, 25)
    shell.stdin.write('\n')
    expect((await expectOutput(shell, /(\d+) (\d+)\r\n/)).groups).toEqual(['25', '80'])
    expect(await shell.wait()).toMatchObject({ exitStatus: 0 })
  })

  test('a terminal has the type and the modes it was given', async () => {
    const { stdout } = await conn.run('echo $TERM; stty -a', {
      requestPty: true,
      termType: 'vt220',
      termModes: { ECHO: 0, VINTR: 1, ICRNL: 0 },
    })
    expect(stdout).toMatch(/^vt220\r\n/)
    expect(stdout).toMatch(/intr = \^A/)
    expect(stdout).toMatch(/ -echo /)
    expect(stdout).toMatch(/-icrnl/)
  })

  test('a login shell in a terminal can be talked to', async () => {
    await using shell = await conn.createProcess(undefined, { requestPty: true, termModes: { ECHO: 0 }, env: {} })
    shell.stdin.write('echo $((6 * 7)); tty\n')
    await expectOutput(shell, /42\r\n\/dev\/pts\/\d+\r\n/)
    shell.stdin.write('exit 5\n')
    expect((await shell.wait()).exitStatus).toBe(5)
  })

  test('variables arrive when the server takes them, and the others are told', async () => {
    await using process = await conn.createProcess('printf "%s,%s,%s" "$GREETING" "$LC_TEST" "$SECRET"', {
      env: { GREETING: 'hello', LC_TEST: 'ä', SECRET: 'no' },
    })
    expect((await process.wait()).stdout).toBe('hello,ä,')
    expect(process.refused).toEqual([{ requestType: 'env', name: 'SECRET' }])
  })

  test('a signal of ours reaches the program', async () => {
    await using process = await conn.createProcess(
      'trap "echo got it; exit 7" USR1; echo ready; while :; do read x; done',
    )
    await expectOutput(process, 'ready\n')
    expect(process.kill('SIGUSR1')).toBe(true)
    process.stdin.end()
    expect(await process.wait()).toMatchObject({ stdout: 'got it\n', exitStatus: 7 })
    await using sleeper = await conn.createProcess('echo ready; exec sleep 1000')
    await expectOutput(sleeper, 'ready\n')
    sleeper.terminate()
    expect(await sleeper.wait()).toMatchObject({ exitSignal: { name: 'TERM' } })
  })

  test('a command that takes too long is ended and says what it had printed', async () => {
    const slow = conn.run('echo so far; exec sleep 1000', { timeout: '1500ms' })
    await expect(slow).rejects.toMatchObject({ code: 'ERR_SSH_PROCESS_TIMEOUT', stdout: 'so far\n' })
    expect((await conn.run('echo still here')).stdout).toBe('still here\n')
  })

  test('a program that leaves early with input on its way is no error', async () => {
    const { stdout, exitStatus } = await conn.run('head -c 10', { input: Buffer.alloc(8 << 20, 'x') })
    expect([stdout, exitStatus]).toEqual(['x'.repeat(10), 0])
  })

  test('a subsystem runs by its name, and one that is not there is an error', async () => {
    await using shout = await conn.createProcess(undefined, { subsystem: 'shout' })
    expect((await shout.communicate('hello\n')).stdout).toBe('HELLO\n')
    const refused = await conn.createProcess(undefined, { subsystem: 'nothing' }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ChannelError)
    expect(refused).toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
  })

  test('a hundred commands at once on one connection each get their own output', async () => {
    const numbers = Array.from({ length: 100 }, (_, index) => index)
    const results = await Promise.all(numbers.map((number) => conn.run(`echo ${number}; echo e${number} >&2`)))
    expect(results.map(({ stdout, stderr }) => stdout + stderr)).toEqual(numbers.map((n) => `${n}\ne${n}\n`))
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('sshd with MaxSessions 2', () => {
  test('runs twenty commands that were asked for at once', async () => {
    await using server = await startSshd({ config: { MaxSessions: 2 } })
    await using conn = await connectTo(server)
    const numbers = Array.from({ length: 20 }, (_, index) => index)
    const results = await Promise.all(numbers.map((number) => conn.run(`echo ${number}`, { check: true })))
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(numbers)
  })

  test('refuses a third process while two run for as long as they like', async () => {
    await using server = await startSshd({ config: { MaxSessions: 2 } })
    await using conn = await connectTo(server)
    await using first = await conn.createProcess('cat')
    await using second = await conn.createProcess('cat')
    await expect(conn.createProcess('cat')).rejects.toBeInstanceOf(ChannelOpenError)
    first.stdin.end()
    await first.wait()
    expect((await conn.run('echo room again')).stdout).toBe('room again\n')
    second.stdin.end()
    expect((await second.wait()).exitStatus).toBe(0)
  })
})
