/** Runs a command that reads its standard input: text, bytes, a stream or an async iterable. */

import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

async function* numbers() {
  for (const number of [30, 10, 20]) yield `${number}\n`
}

await using conn = await connect(destination)
const fromText = await conn.run('sort', { input: 'pear\napple\nfig\n', check: true })
console.log(fromText.stdout.trim().split('\n').join(', '))

const fromIterable = await conn.run('sort -n', { input: numbers(), check: true })
console.log(fromIterable.stdout.trim().split('\n').join(', '))
