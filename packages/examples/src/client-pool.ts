/** Many short commands over few connections: as many as the server's limit of sessions makes necessary. */

import { createPool } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)
const numbers = Array.from({ length: 30 }, (_, index) => index + 1)

await using pool = createPool({ maxConnectionsPerHost: 4, idleTimeout: '30s' })
const results = await Promise.all(numbers.map((number) => pool.run(destination, `expr ${number} \\* ${number}`)))
const sum = results.reduce((total, { stdout }) => total + Number(stdout), 0)
console.log(`the sum of 30 squares is ${sum}`)
