import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type LogEntry, listen, readAuthorizedKeys, readKnownHosts } from '../src/index.js'
import { clientOptions, serverOptions, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const secretKey = await generatePrivateKey('ssh-ed25519')
const openssh = await secretKey.exportPrivateKey()
const pkcs8 = await secretKey.exportPrivateKey('pkcs8-pem')
const putty = 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nc2VjcmV0\nPrivate-MAC: 00\n'

async function fileWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wrong-arguments-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'keys')
  await writeFile(path, text)
  return path
}

function memory() {
  const entries: LogEntry[] = []
  const note = (entry: LogEntry) => void entries.push(entry)
  return { entries, logger: { trace: note, debug: note, info: note, warn: note, error: note } }
}

describe('a private key where public ones should be', () => {
  test.each([
    ['of OpenSSH', openssh],
    ['in PKCS #8', pkcs8],
    ['of PuTTY', putty],
  ])('is refused as authorized or known, %s, and nothing of it is told', async (_, text) => {
    const path = await fileWith(text)
    const { entries, logger } = memory()
    const attempts = [path, text].flatMap((given) => [
      () => listen(serverOptions({ authorizedClientKeys: given, logger })),
      () => connect('tester@127.0.0.1:1', clientOptions({ hostKeyFingerprint: undefined, knownHosts: given, logger })),
    ])
    attempts.push(
      () => readAuthorizedKeys(path) as never,
      () => readKnownHosts(path) as never,
    )
    for (const attempt of attempts) {
      const error: unknown = await attempt().catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        name: 'ConfigParseError',
        message: expect.stringContaining('this is a private key; give the public key (.pub)'),
      })
      const told = JSON.stringify([String(error), entries]).toLowerCase()
      for (const line of text.trim().split('\n').slice(1, -1)) expect(told).not.toContain(line.toLowerCase())
    }
  })
})

describe('authorized keys of which none can be used', () => {
  test('are an error that names the file when nobody else could let anybody in', async () => {
    const path = await fileWith('# mine\nwhatever this is\nssh-ed25519 AAAA\n')
    await expect(listen(serverOptions({ authorizedClientKeys: path }))).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringMatching(/Nobody could log in.*2 line\(s\) of .*keys were left out/),
      details: { file: path, linesLeftOut: 2 },
    })
  })

  test('are told of in the log, with how many lines, where callbacks may still let somebody in', async () => {
    const path = await fileWith('whatever this is\nssh-ed25519 AAAA\n')
    const { entries, logger } = memory()
    const server = await listen(
      serverOptions({
        authorizedClientKeys: [path, userLine],
        logger,
        serverFactory: () => ({ validatePassword: () => true }),
      }),
    )
    await server.close()
    expect(entries.filter(({ event }) => event === 'authorized-keys-unusable')).toEqual([
      expect.objectContaining({ file: path, linesLeftOut: 2 }),
    ])
  })
})
