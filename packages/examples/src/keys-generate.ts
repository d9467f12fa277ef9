/** Makes a key pair as ssh-keygen does, encrypts it, reads it back, signs with it. */

import { generatePrivateKey, readPrivateKey, readPublicKey, writePrivateKey, writePublicKey } from '@ssh/sdk'

const passphrase = 'correct horse battery staple'
const key = await generatePrivateKey('ssh-ed25519', { comment: 'ada@example.com' })
await writePrivateKey(key, 'id_example', { passphrase })
await writePublicKey(key, 'id_example.pub')
console.log(`${key.algorithm} ${key.getFingerprint()}`)

const readBack = await readPrivateKey('id_example', { passphrase })
const publicKey = await readPublicKey('id_example.pub')
const message = Buffer.from('a message')
console.log(`the signature fits: ${publicKey.verify(message, readBack.sign(message))}`)
console.log(`comment: ${publicKey.comment}`)
