/**
 * What works on the runtime that runs this: client against sshd, ssh and sftp against our server, every algorithm that
 * both know, every form of key file. Prints one line for each; the exit status is 1 when one fails.
 *
 *     pnpm build && node packages/interop/dist/check-runtime.js      or bun, or deno run -A
 */

import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compressionAlgorithms, type GeneratedKeyAlgorithm, keyTypes, type PrivateKeyFormat } from '@ssh/crypto'
import { generatePrivateKey, importPrivateKey, type SftpClient, type SshClientConnection } from '@ssh/sdk'
import { type SharedAlgorithms, sharedAlgorithms } from './openssh-algorithms.js'
import { type OpensshOptions, sftp, ssh } from './openssh-client.js'
import { connectTo } from './sdk-client.js'
import { startSdkServer } from './sdk-server.js'
import { startSshd } from './sshd.js'
import { temporaryFolder } from './temporary-folder.js'

/** How long one of them may take. */
const longestMs = 60_000
const data = randomBytes(4 * 1024 * 1024)
const everyHostKey = ['ed25519', ...[256, 384, 521].map((bits) => ({ type: 'ecdsa', bits }) as const), 'rsa'] as const

const shared = await sharedAlgorithms()
for (const [kind, names] of Object.entries(shared)) console.log(`${kind}: ${names.join(' ')}`)
console.log(`compression: ${compressionAlgorithms.names.join(' ')}`)
await checkKeys()
await checkClient()
await checkServer()
// Whatever is still open fails this by not letting it end.

async function check(what: string, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('takes too long')), longestMs)
  })
  try {
    await Promise.race([work(), late])
    console.log(`ok    ${what}  ${((performance.now() - startedAt) / 1000).toFixed(2)} s`)
  } catch (error) {
    console.log(`FAIL  ${what}: ${error instanceof Error ? error.stack : error}`)
    process.exitCode = 1
  } finally {
    clearTimeout(timer)
  }
}

async function checkKeys(): Promise<void> {
  const formats: Record<string, readonly PrivateKeyFormat[]> = {
    'ssh-rsa': ['openssh', 'pkcs8-pem', 'pkcs1-pem'],
    'ssh-ed25519': ['openssh', 'pkcs8-pem'],
  }
  for (const type of keyTypes.names as GeneratedKeyAlgorithm[]) {
    for (const format of formats[type] ?? ['openssh', 'pkcs8-pem', 'sec1-pem']) {
      await check(`key ${type} as ${format}, encrypted`, async () => {
        const key = await generatePrivateKey(type, { bits: 2048 })
        const passphrase = 'open sesame'
        const read = await importPrivateKey(await key.exportPrivateKey(format, { passphrase }), { passphrase })
        expect(read.publicKey.equals(key.publicKey), 'the same key')
        expect(key.publicKey.verify(data, await read.sign(data)), 'its signature')
      })
    }
  }
}

async function checkClient(): Promise<void> {
  await using server = await startSshd({
    hostKeyTypes: everyHostKey,
    config: {
      KexAlgorithms: shared.kex.join(),
      HostKeyAlgorithms: shared.hostKeys.join(),
      Ciphers: shared.ciphers.join(),
      MACs: shared.macs.join(),
    },
  })
  const connected = async (choice: object, use: (conn: SshClientConnection) => Promise<void>) => {
    await using conn = await connectTo(server, choice)
    await use(conn)
  }
  const echoes = async (conn: SshClientConnection): Promise<void> => {
    const { stdout } = await conn.run('cat', { input: data, encoding: 'buffer', maxBuffer: data.length })
    expect(stdout.equals(data), 'the bytes that came back')
  }
  for (const { what, kex, hostKey, cipher, mac } of choicesOf(shared)) {
    const choice = {
      ...(kex !== undefined && { kexAlgs: [kex] }),
      ...(hostKey !== undefined && { serverHostKeyAlgs: [hostKey] }),
      ...(cipher !== undefined && { encryptionAlgs: [cipher] }),
      ...(mac !== undefined && { macAlgs: [mac] }),
    }
    await check(`client ${what}`, () => connected(choice, echoes))
  }
  await check('client rekey', () =>
    connected({}, async (conn) => {
      await Promise.all([echoes(conn), conn.rekey()])
    }),
  )
  await check('client createProcess', () =>
    connected({}, async (conn) => {
      const sort = await conn.createProcess('sort; exit 7')
      sort.stdin.end('b\na\n')
      const { stdout, exitStatus } = await sort.wait()
      expect(stdout === 'a\nb\n' && exitStatus === 7, stdout)
    }),
  )
  await check('client SFTP', () =>
    connected({}, async (conn) => {
      await using files = await conn.startSftpClient()
      await transfer(files, server.folder)
    }),
  )
  await check('client password', async () => {
    const { password } = server
    if (password === undefined) return
    await connected({ clientKeys: null, password }, echoes)
  })
  await check('client refused', async () => {
    const error = await connectTo({ ...server, port: 1 }).catch((refusal: { code?: string }) => refusal)
    expect('code' in error && error.code === 'ERR_SSH_CONNECT_FAILED', String(error))
  })
  await check('client aborted', () =>
    connected({}, async (conn) => {
      const signal = AbortSignal.timeout(50)
      const error = await conn.run('sleep 60', { signal }).catch((abortion: { name?: string }) => abortion)
      expect('name' in error && error.name === 'AbortError', String(error))
    }),
  )
}

async function transfer(files: SftpClient, remote: string): Promise<void> {
  using folder = temporaryFolder()
  const [original, returned] = [join(folder.path, 'original'), join(folder.path, 'returned')]
  await writeFile(original, data)
  await files.put(original, `${remote}/file`)
  await files.get(`${remote}/file`, returned)
  expect((await readFile(returned)).equals(data), 'the file that came back')
  await files.put(folder.path, `${remote}/tree`, { recurse: true, preserve: true })
  await files.symlink('file', `${remote}/link`)
  expect((await files.readlink(`${remote}/link`)) === 'file', 'the link')
  expect((await files.listdir(`${remote}/tree`)).includes('returned'), 'the listing')
  await files.rmtree(`${remote}/tree`)
}

async function checkServer(): Promise<void> {
  await using server = await startSdkServer({
    hostKeyTypes: everyHostKey.filter(
      (spec) => typeof spec === 'string' || keyTypes.has(`ecdsa-sha2-nistp${spec.bits}`),
    ),
    kexAlgs: shared.kex,
    encryptionAlgs: shared.ciphers,
    macAlgs: shared.macs,
  })
  const echoes = async (config: NonNullable<OpensshOptions['config']>, rest: OpensshOptions = {}): Promise<void> => {
    const { status, stdout, stderr } = await ssh(server, 'cat; exit 7', { input: data, config, ...rest })
    expect(status === 7 && stdout.equals(data), `status ${status}, ${stdout.length} bytes: ${stderr}`)
  }
  for (const { what, kex, hostKey, cipher, mac } of choicesOf(shared)) {
    // A server does not prove itself with SHA-1.
    if (hostKey === 'ssh-rsa') continue
    const config = {
      ...(kex !== undefined && { KexAlgorithms: kex }),
      ...(hostKey !== undefined && { HostKeyAlgorithms: hostKey }),
      ...(cipher !== undefined && { Ciphers: cipher }),
      ...(mac !== undefined && { MACs: mac }),
    }
    await check(`server ${what}`, () => echoes(config))
  }
  await check('server rekey', () => echoes({ RekeyLimit: '1M' }))
  await check('server password', () => echoes({}, { usePassword: true }))
  await check('server SFTP', async () => {
    const [original, returned] = [join(server.folder, 'original'), join(server.folder, 'returned')]
    await writeFile(original, data)
    const copy = join(server.folder, 'copy')
    const { status, stdout, stderr } = await sftp(server, [
      `put ${original} ${copy}`,
      `get ${copy} ${returned}`,
      `ls ${server.folder}`,
    ])
    expect(status === 0 && stdout.includes('copy'), stderr)
    expect((await readFile(returned)).equals(data), 'the file that came back')
  })
}

interface Choice {
  readonly what: string
  readonly kex?: string
  readonly hostKey?: string
  readonly cipher?: string
  readonly mac?: string
}

/** Every algorithm once, the others as by default. */
function choicesOf({ kex, hostKeys, ciphers, macs }: SharedAlgorithms): Choice[] {
  return [
    ...kex.map((name) => ({ what: name, kex: name })),
    ...hostKeys.map((name) => ({ what: name, hostKey: name })),
    ...ciphers.map((name) => ({ what: name, cipher: name })),
    ...macs.map((name) => ({ what: name, mac: name, cipher: 'aes128-ctr' })),
  ]
}

function expect(isMet: boolean, what: string): void {
  if (!isMet) throw new Error(`not as it should be: ${what}`)
}
