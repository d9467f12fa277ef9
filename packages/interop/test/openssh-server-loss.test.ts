/** sshd goes away, falls silent or refuses: every promise settles with an error that says so. */

import { PassThrough } from 'node:stream'
import { ConnectError, ConnectionLost, expect as expectOutput, KeyExchangeFailed, TimeoutError } from '@ssh/sdk'
import { describe, expect, test } from 'vitest'
import { connectTo, freePort, lacks, startSshd } from '../src/index.js'

describe.skipIf(lacks('sshd', 'ssh-keygen'))('the end of a connection to sshd', () => {
  test('a server that dies ends commands, processes, files and the connection with a typed error', async () => {
    await using server = await startSshd()
    const conn = await connectTo(server)
    const session = await conn.createProcess('echo $PPID; exec cat')
    const sshd = Number((await expectOutput(session, '\n')).before)
    const sftp = await conn.startSftpClient()
    const command = conn.run('cat', { stdin: new PassThrough() })
    const endings = [command, session.wait(), session.closed, conn.closed]
    process.kill(sshd, 'SIGKILL')
    for (const { reason } of (await Promise.allSettled(endings)) as PromiseRejectedResult[]) {
      expect(reason).toBeInstanceOf(ConnectionLost)
      expect(reason).toMatchObject({ code: 'ERR_SSH_CONNECTION_LOST' })
    }
    await expect(sftp.stat('/')).rejects.toMatchObject({ name: 'SftpError' })
    await expect(conn.run('true')).rejects.toBeInstanceOf(ConnectionLost)
    await expect(conn.startSftpClient()).rejects.toBeInstanceOf(ConnectionLost)
    expect(conn.isClosed).toBe(true)
    await conn.close()
    // The server itself goes on.
    await using again = await connectTo(server)
    expect((await again.run('echo hi')).stdout).toBe('hi\n')
  })

  test('a server that stops answering is noticed by keepalives', async () => {
    await using server = await startSshd()
    const conn = await connectTo(server)
    const silent = Number((await conn.run('echo $PPID')).stdout)
    const hanging = conn.run('sleep 1000')
    process.kill(silent, 'SIGSTOP')
    conn.setKeepalive('100ms', 2)
    const error = await hanging.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConnectionLost)
    expect(error).toMatchObject({ code: 'ERR_SSH_CONNECTION_TIMEOUT' })
    await expect(conn.closed).rejects.toBe(error)
  })

  test('a server that answers keepalives keeps a silent connection', async () => {
    await using server = await startSshd()
    await using conn = await connectTo(server, { keepaliveInterval: 100, keepaliveCountMax: 5 })
    expect((await conn.run('sleep 1; echo still here')).stdout).toBe('still here\n')
  })

  test('keepalives of sshd are answered, or it would hang up', async () => {
    await using server = await startSshd({ config: { ClientAliveInterval: 1, ClientAliveCountMax: 1 } })
    await using conn = await connectTo(server, { keepaliveInterval: 0 })
    expect((await conn.run('sleep 3; echo still here')).stdout).toBe('still here\n')
  })

  test('a goodbye is an orderly end for both sides', async () => {
    await using server = await startSshd()
    const conn = await connectTo(server)
    await conn.run('true')
    await conn.close()
    await expect(conn.closed).resolves.toBeUndefined()
    await expect.poll(server.log, { timeout: 20_000 }).toMatch(/Received disconnect from 127\.0\.0\.1 port \d+:11:/)
  })

  test("a server that is not there is a connect error with the system's own as its cause", async () => {
    const nowhere = {
      host: '127.0.0.1',
      port: await freePort(),
      username: 'x',
      hostKeys: ['ssh-ed25519 AAAA'],
    } as const
    const error = await connectTo(nowhere).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConnectError)
    expect(error).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })

  test('no common algorithm is an error with both lists', async () => {
    await using server = await startSshd({ config: { KexAlgorithms: 'curve25519-sha256' } })
    const error = await connectTo(server, { kexAlgs: ['ecdh-sha2-nistp256'] }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(KeyExchangeFailed)
    expect(error).toMatchObject({
      details: {
        ours: expect.arrayContaining(['ecdh-sha2-nistp256']),
        theirs: expect.arrayContaining(['curve25519-sha256']),
      },
    })
  })

  test('a server that tires of waiting for a login ends it with a typed error', async () => {
    await using server = await startSshd({ config: { LoginGraceTime: 1 } })
    const never = (): Promise<null> => new Promise(() => {})
    await expect(connectTo(server, { clientKeys: null, password: never })).rejects.toBeInstanceOf(ConnectionLost)
  })

  test('our own limit for the login ends it too', async () => {
    await using server = await startSshd()
    const never = (): Promise<null> => new Promise(() => {})
    const error = await connectTo(server, { clientKeys: null, password: never, loginTimeout: 300 }).catch(
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(TimeoutError)
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('strict key exchange', () => {
  test('is what we and sshd agree on (CVE-2023-48795)', async () => {
    await using server = await startSshd({ config: { LogLevel: 'DEBUG3' } })
    await using conn = await connectTo(server)
    await conn.run('true')
    expect(server.log()).toMatch(/strict KEX ordering/i)
  })
})
