import { beforeAll, describe, expect, it } from 'vitest'
import { generatePrivateKey, importPrivateKey, importPublicKey } from '../../src/index.js'
import { describeTool } from './foreign-tool.js'

const passphrase = 'correct horse'
/** What OpenSSL 3, and so node:crypto, does only when told to. */
const legacy = ['-provider', 'default', '-provider', 'legacy']

const types = [
  { name: 'RSA', argv: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] },
  { name: 'EC', argv: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'] },
  { name: 'ED25519', argv: ['-algorithm', 'ED25519'] },
]

/** Encryptions of `openssl pkcs8 -topk8`. */
const pkcs8Encryptions = [
  { scheme: 'PBES2 aes-128-cbc', argv: ['-v2', 'aes-128-cbc'] },
  { scheme: 'PBES2 aes-192-cbc, hmacWithSHA1', argv: ['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA1'] },
  { scheme: 'PBES2 aes-256-cbc, hmacWithSHA512', argv: ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512'] },
  { scheme: 'PBES2 aes-256-cbc, 100000 iterations', argv: ['-v2', 'aes-256-cbc', '-iter', '100000'] },
  { scheme: 'PBES2 des3', argv: ['-v2', 'des3'] },
  { scheme: 'PBES2 des', argv: ['-v2', 'des', ...legacy] },
  { scheme: 'PBES2 scrypt', argv: ['-scrypt'] },
  { scheme: 'PBE-SHA1-3DES', argv: ['-v1', 'PBE-SHA1-3DES'] },
  { scheme: 'PBE-MD5-DES', argv: ['-v1', 'PBE-MD5-DES', ...legacy] },
  { scheme: 'PBE-SHA1-DES', argv: ['-v1', 'PBE-SHA1-DES', ...legacy] },
  { scheme: 'PBE-MD5-RC2-64', argv: ['-v1', 'PBE-MD5-RC2-64', ...legacy] },
  { scheme: 'PBE-SHA1-RC2-64', argv: ['-v1', 'PBE-SHA1-RC2-64', ...legacy] },
  { scheme: 'PBE-SHA1-RC2-128', argv: ['-v1', 'PBE-SHA1-RC2-128', ...legacy] },
  { scheme: 'PBE-SHA1-RC2-40', argv: ['-v1', 'PBE-SHA1-RC2-40', ...legacy] },
]

/** Ciphers of `Proc-Type: 4,ENCRYPTED`. */
const pemCiphers = [
  { cipher: 'aes128', argv: ['-aes128'] },
  { cipher: 'aes192', argv: ['-aes192'] },
  { cipher: 'aes256', argv: ['-aes256'] },
  { cipher: 'des3', argv: ['-des3'] },
  { cipher: 'des', argv: ['-des', ...legacy] },
]

describeTool('openssl', ['version'], (tool) => {
  beforeAll(() => {
    for (const { name, argv } of types) tool.run('genpkey', ...argv, '-out', name)
  })

  const fingerprintOf = async (name: string) => (await importPrivateKey(tool.read(name))).getFingerprint()

  /** Reads a file with the passphrase; without it and with a wrong one it must fail in the way that says so. */
  async function readEncrypted(file: string): Promise<string> {
    const text = tool.read(file)
    await expect(importPrivateKey(text)).rejects.toMatchObject({ code: 'ERR_SSH_KEY_PASSPHRASE_MISSING' })
    await expect(importPrivateKey(text, { passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
    })
    return (await importPrivateKey(text, { passphrase })).getFingerprint()
  }

  describe.each(types)('a key of type $name', ({ name }) => {
    it('is read from PKCS#8 as PEM and DER, and so is its public key', async () => {
      tool.run('pkey', '-in', name, '-outform', 'DER', '-out', 'der')
      tool.run('pkey', '-in', name, '-pubout', '-out', 'public')
      tool.run('pkey', '-in', name, '-pubout', '-outform', 'DER', '-out', 'public-der')
      const expected = await fingerprintOf(name)
      expect((await importPrivateKey(tool.readBytes('der'))).getFingerprint()).toBe(expected)
      expect(importPublicKey(tool.read('public')).getFingerprint()).toBe(expected)
      expect(importPublicKey(tool.readBytes('public-der')).getFingerprint()).toBe(expected)
      const key = await importPrivateKey(tool.read(name))
      expect(key.exportPublicKey('pkcs8-pem')).toBe(tool.read('public'))
    })

    it.each(pkcs8Encryptions)('is read from PKCS#8 encrypted with $scheme', async ({ argv }) => {
      tool.run('pkcs8', '-topk8', '-in', name, '-passout', `pass:${passphrase}`, '-out', 'encrypted', ...argv)
      expect(await readEncrypted('encrypted')).toBe(await fingerprintOf(name))
    })
  })

  describe.each(['RSA', 'EC'])('a key of type %s in the old PEM form', (name) => {
    const command = name.toLowerCase()
    const traditional = name === 'RSA' ? ['-traditional'] : []

    it('is read as PEM and DER', async () => {
      tool.run(command, '-in', name, ...traditional, '-out', 'old')
      tool.run(command, '-in', name, ...traditional, '-outform', 'DER', '-out', 'old-der')
      expect(tool.read('old')).toContain(`BEGIN ${name} PRIVATE KEY`)
      expect(await fingerprintOf('old')).toBe(await fingerprintOf(name))
      expect((await importPrivateKey(tool.readBytes('old-der'))).getFingerprint()).toBe(await fingerprintOf(name))
    })

    it.each(pemCiphers)('is read when encrypted with $cipher', async ({ argv }) => {
      tool.run(command, '-in', name, ...traditional, '-passout', `pass:${passphrase}`, '-out', 'old', ...argv)
      expect(tool.read('old')).toContain('DEK-Info')
      expect(await readEncrypted('old')).toBe(await fingerprintOf(name))
    })
  })

  it('reads every PEM form we write, plain and encrypted with every cipher', async () => {
    const formats = [
      { algorithm: 'ssh-ed25519', names: ['pkcs8-pem'] },
      { algorithm: 'ecdsa-sha2-nistp256', names: ['pkcs8-pem', 'sec1-pem'] },
      { algorithm: 'ssh-rsa', names: ['pkcs8-pem', 'pkcs1-pem'] },
    ] as const
    for (const { algorithm, names } of formats) {
      const key = await generatePrivateKey(algorithm)
      for (const format of names) {
        for (const cipher of [undefined, 'aes128-cbc', 'aes192-cbc', 'aes256-cbc']) {
          const options = cipher === undefined ? {} : { passphrase, cipher }
          tool.write('ours', await key.exportPrivateKey(format, options))
          const publicText = tool.run('pkey', '-in', 'ours', '-passin', `pass:${passphrase}`, '-pubout')
          expect(publicText, `${format} ${cipher}`).toBe(key.exportPublicKey('pkcs8-pem'))
        }
      }
    }
  })

  it('reads a key beside its certificate or its curve, and says what a file without a key holds', async () => {
    const subject = ['-x509', '-subj', '/CN=test', '-days', '1']
    const certificate = tool.run('req', '-new', ...subject, '-key', 'EC')
    const both = `${certificate}${tool.read('EC')}`
    expect((await importPrivateKey(both)).getFingerprint()).toBe(await fingerprintOf('EC'))
    const withCurve = tool.run('ecparam', '-name', 'secp521r1', '-genkey')
    expect(withCurve).toContain('BEGIN EC PARAMETERS')
    expect((await importPrivateKey(withCurve)).algorithm).toBe('ecdsa-sha2-nistp521')

    await expect(importPrivateKey(certificate)).rejects.toThrow(/X\.509 certificate/)
    expect(() => importPublicKey(certificate)).toThrow(/X\.509 certificate.*openssl x509/)
    tool.write('both', both)
    tool.run('pkcs12', '-export', '-in', 'both', '-passout', 'pass:x', '-out', 'bundle')
    await expect(importPrivateKey(tool.readBytes('bundle'))).rejects.toThrow(/PKCS#12.*openssl pkcs12/)
    tool.run('pkey', '-in', 'EC', '-pubout', '-out', 'public')
    await expect(importPrivateKey(tool.read('public'))).rejects.toThrow(/public key; give the private key/)
  })

  it.each([
    ['ED448', '-algorithm', 'ED448'],
    ['X25519', '-algorithm', 'X25519'],
    ['RSA-PSS', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:1024'],
    ['RSA of 1000 bits', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1000'],
    ['RSA of three primes', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-pkeyopt', 'rsa_keygen_primes:3'],
    ['secp256k1', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ])('makes keys that SSH has no use for, which are refused: %s', async (_name, ...argv) => {
    await expect(importPrivateKey(tool.run('genpkey', ...argv))).rejects.toMatchObject({ code: 'ERR_SSH_KEY_IMPORT' })
  })
})
