/** A server that decides itself who may log in: by key, by password, or by a password and a code. */

import { createHash, timingSafeEqual } from 'node:crypto'
import { listen, readPublicKey } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)
const digest = (text: string) => createHash('sha256').update(text).digest()
const passwords = new Map([['ada', digest('analytical engine')]])
const codes = new Map([['grace', digest('123456')]])
const keys = new Map([['alan', await readPublicKey('alan.pub')]])
const fits = (known: Buffer | undefined, given: string) => known !== undefined && timingSafeEqual(known, digest(given))

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  // Made anew for each connection. Which callbacks it has decides which methods are offered.
  serverFactory: () => ({
    validatePublicKey: (username, key) => keys.get(username)?.equals(key) ?? false,
    validatePassword: (username, password) => fits(passwords.get(username), password),
    getKbdintChallenge: () => ({ instructions: 'Two steps', prompts: [{ prompt: 'Code: ', echo: false }] }),
    validateKbdintResponse: (username, [code = '']) => fits(codes.get(username), code),
  }),
  processFactory: (client) => {
    const { username, authMethods } = client.info
    client.stdout.write(`Welcome ${username}, let in by ${authMethods.join(' and ')}\n`)
    client.exit(0)
  },
})
console.log(`listening on port ${server.port}`)
