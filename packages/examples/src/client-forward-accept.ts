/** Decides about each connection to a forwarded port: this program's own may pass once, and nothing else. */

import { connect } from '@ssh/sdk'

const [destination = 'localhost', target = 'localhost:80'] = process.argv.slice(2)
const [host = '', port = ''] = target.split(':')
let left = 1

await using conn = await connect(destination)
await using listener = await conn.forwardLocalPort('localhost', 0, host, Number(port), {
  accept: ({ originHost }) => {
    console.log(`from ${originHost}: ${left > 0 ? 'accepted' : 'refused'}`)
    return left-- > 0
  },
})
const get = () => fetch(`http://127.0.0.1:${listener.port}/`, { headers: { connection: 'close' } })
console.log((await get()).status)
await get().catch((error: Error) => console.log(error.message))
