import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { type as systemName, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as sdk from '../src/index.js'
import { embedded, userKey } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const inPackage = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

test('exports these names, and no others', () => {
  expect(Object.keys(sdk).sort()).toMatchInlineSnapshot(`
    [
      "AbortError",
      "AgentClient",
      "AgentError",
      "AgentKey",
      "ChannelError",
      "ChannelListenError",
      "ChannelOpenError",
      "ConfigParseError",
      "ConnectError",
      "ConnectionLost",
      "CryptoError",
      "DisconnectError",
      "ExpectError",
      "HostKeyNotVerifiable",
      "KeyEncryptionError",
      "KeyExchangeFailed",
      "KeyExportError",
      "KeyImportError",
      "MemoryHandler",
      "OptionsError",
      "PermissionDenied",
      "PoolError",
      "ProcessError",
      "ProcessTimeoutError",
      "ProtocolError",
      "ServerConnection",
      "ServerTerminal",
      "SftpClient",
      "SftpError",
      "SftpFile",
      "SftpServer",
      "SftpStats",
      "SshClientConnection",
      "SshClientProcess",
      "SshError",
      "SshServer",
      "SshServerProcess",
      "StreamError",
      "TimeoutError",
      "TunError",
      "TunForwarding",
      "TunStream",
      "X11Error",
      "accessFlags",
      "accessMask",
      "attrFlags",
      "attribBits",
      "auditFiles",
      "connect",
      "connectAgent",
      "connectReverse",
      "createPool",
      "createProcess",
      "createReconnecting",
      "expect",
      "generatePrivateKey",
      "getServerAuthMethods",
      "getServerHostKey",
      "importPrivateKey",
      "importPrivateKeyList",
      "importPublicKey",
      "importPublicKeyList",
      "limitFiles",
      "lines",
      "listen",
      "listenReverse",
      "lockFlags",
      "openFlags",
      "printClientConfig",
      "printServerConfig",
      "quote",
      "readAuthorizedKeys",
      "readClientConfig",
      "readKnownHosts",
      "readPrivateKey",
      "readPrivateKeyList",
      "readPublicKey",
      "readPublicKeyList",
      "readServerConfig",
      "run",
      "runClient",
      "runOnHosts",
      "runServer",
      "scp",
      "sh",
      "spawnPty",
      "writePrivateKey",
      "writePublicKey",
    ]
  `)
})

test('the first example of the README runs as it stands, in a process that ends by itself', {
  timeout: 60_000,
}, async () => {
  const { destination, knownHosts } = await embedded({
    processFactory: (process) => process.redirect(spawn(process.command ?? 'sh', { shell: '/bin/sh' })),
  })
  const home = await temporaryFolder()
  await mkdir(join(home, '.ssh'), { mode: 0o700 })
  await sdk.writePrivateKey(userKey, join(home, '.ssh', 'id_ed25519'))
  await writeFile(join(home, '.ssh', 'known_hosts'), knownHosts)
  await mkdir(join(home, 'node_modules', '@ssh'), { recursive: true })
  await symlink(inPackage('.'), join(home, 'node_modules', '@ssh', 'sdk'))
  const readme = await readFile(inPackage('../../README.md'), 'utf8')
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(5)
  const { host, port, username } = destination
  const script = join(home, 'example.mts')
  await writeFile(script, example.replace("'user@host'", `'${username}@${host}:${port}'`))
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@ssh/source', '--import', import.meta.resolve('tsx'), script],
    { env: { ...process.env, HOME: home, NODE_OPTIONS: '' } },
  )
  expect(stdout).toContain(systemName())
  expect(stderr).toBe('')
})

describe('an unknown option is an error that names it', () => {
  test('in every call of SFTP', async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, 'file'), 'hello')
    const { connect } = await embedded({ sftpFactory: { root } })
    const conn = await connect()
    await using sftp = await conn.startSftpClient()
    await using file = await sftp.open('/file', 'r+')
    const wrong = { bogus: true } as object
    const calls: Record<string, () => unknown> = {
      get: () => sftp.get('/file', join(root, 'copy'), wrong),
      put: () => sftp.put(Buffer.from('x'), '/new', wrong),
      mget: () => sftp.mget('/f*', root, wrong),
      mput: () => sftp.mput(join(root, 'f*'), '/', wrong),
      open: () => sftp.open('/file', 'r', {}, wrong),
      readFile: () => sftp.readFile('/file', wrong),
      writeFile: () => sftp.writeFile('/new', 'x', wrong),
      appendFile: () => sftp.appendFile('/new', 'x', wrong),
      createReadStream: () => sftp.createReadStream('/file', wrong),
      createWriteStream: () => sftp.createWriteStream('/new', wrong),
      stat: () => sftp.stat('/file', wrong),
      lstat: () => sftp.lstat('/file', wrong),
      setstat: () => sftp.setstat('/file', {}, wrong),
      statvfs: () => sftp.statvfs('/', wrong),
      truncate: () => sftp.truncate('/file', 0, wrong),
      chown: () => sftp.chown('/file', 0, 0, wrong),
      chmod: () => sftp.chmod('/file', 0o600, wrong),
      utime: () => sftp.utime('/file', 0, 0, wrong),
      exists: () => sftp.exists('/file', wrong),
      lexists: () => sftp.lexists('/file', wrong),
      isFile: () => sftp.isFile('/file', wrong),
      isDir: () => sftp.isDir('/file', wrong),
      isLink: () => sftp.isLink('/file', wrong),
      getSize: () => sftp.getSize('/file', wrong),
      getAtime: () => sftp.getAtime('/file', wrong),
      getMtime: () => sftp.getMtime('/file', wrong),
      remove: () => sftp.remove('/file', wrong),
      unlink: () => sftp.unlink('/file', wrong),
      realpathStat: () => sftp.realpathStat('/', wrong),
      rename: () => sftp.rename('/file', '/new', wrong),
      posixRename: () => sftp.posixRename('/file', '/new', wrong),
      mkdir: () => sftp.mkdir('/new', wrong),
      makedirs: () => sftp.makedirs('/new', wrong),
      rmdir: () => sftp.rmdir('/new', wrong),
      rmtree: () => sftp.rmtree('/new', wrong),
      readdir: () => sftp.readdir('/', wrong),
      listdir: () => sftp.listdir('/', wrong),
      scandir: () => sftp.scandir('/', wrong),
      glob: () => sftp.glob('/*', wrong),
      realpath: () => sftp.realpath('/', wrong),
      getcwd: () => sftp.getcwd(wrong),
      chdir: () => sftp.chdir('/', wrong),
      readlink: () => sftp.readlink('/file', wrong),
      symlink: () => sftp.symlink('/file', '/new', wrong),
      link: () => sftp.link('/file', '/new', wrong),
      'file.read': () => file.read(1, 0, wrong),
      'file.readFile': () => file.readFile(wrong),
      'file.write': () => file.write('x', 0, wrong),
      'file.seek': () => file.seek(0, 'end', wrong),
      'file.stat': () => file.stat(wrong),
      'file.setstat': () => file.setstat({}, wrong),
      'file.statvfs': () => file.statvfs(wrong),
      'file.truncate': () => file.truncate(0, wrong),
      'file.chown': () => file.chown(0, 0, wrong),
      'file.chmod': () => file.chmod(0o600, wrong),
      'file.utime': () => file.utime(0, 0, wrong),
      'file.lock': () => file.lock(0, 0, 0, wrong),
      'file.unlock': () => file.unlock(0, 0, wrong),
      'file.sync': () => file.sync(wrong),
      'file.createReadStream': () => file.createReadStream(wrong),
      'file.createWriteStream': () => file.createWriteStream(wrong),
    }
    for (const [name, call] of Object.entries(calls)) {
      await expect((async () => call())(), name).rejects.toMatchObject({
        name: 'OptionsError',
        code: 'ERR_SSH_OPTIONS_INVALID',
        message: expect.stringContaining('unknown option "bogus"'),
      })
    }
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('hello')
  })

  test('in every call about commands and keys', async () => {
    const { connect } = await embedded({ processFactory: () => {} })
    const conn = await connect()
    const remote = await conn.createProcess('x')
    const wrong = { bogus: true } as object
    const path = join(await temporaryFolder(), 'id')
    const calls: Record<string, () => unknown> = {
      run: () => conn.run('x', wrong),
      createProcess: () => conn.createProcess('x', wrong),
      openSession: () => conn.openSession('x', wrong),
      startSftpClient: () => conn.startSftpClient(wrong),
      wait: () => remote.wait(wrong),
      communicate: () => remote.communicate('x', wrong),
      redirect: () => remote.redirect(wrong),
      expect: () => sdk.expect(remote, 'x', wrong),
      readPrivateKey: () => sdk.readPrivateKey(path, wrong),
      readPrivateKeyList: () => sdk.readPrivateKeyList(path, wrong),
      writePrivateKey: () => sdk.writePrivateKey(userKey, path, wrong),
      writePublicKey: () => sdk.writePublicKey(userKey, path, wrong),
    }
    for (const [name, call] of Object.entries(calls)) {
      await expect((async () => call())(), name).rejects.toMatchObject({
        name: 'OptionsError',
        message: expect.stringContaining('unknown option "bogus"'),
      })
    }
  })
})
