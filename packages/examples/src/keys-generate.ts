/** Makes a key pair as ssh-keygen does, encrypts it, reads it back, signs with it. */

import { readFile, writeFile } from 'node:fs/promises'
import { generatePrivateKey, importPrivateKey, importPublicKey } from '@ssh/sdk'

const key = await generatePrivateKey('ssh-ed25519', { comment: 'ada@example.com' })
const passphrase = 'correct horse battery staple'
await writeFile('id_example', await key.exportPrivateKey('openssh', { passphrase }), { mode: 0o600 })
await writeFile('id_example.pub', key.exportPublicKey())
console.log(`${key.algorithm} ${key.getFingerprint()}`)

const readBack = await importPrivateKey(await readFile('id_example'), { passphrase })
const publicKey = await importPublicKey(await readFile('id_example.pub'))
const signature = readBack.sign(Buffer.from('a message'))
console.log(`the signature fits: ${publicKey.verify(Buffer.from('a message'), signature)}`)
console.log(`comment: ${publicKey.comment}`)
