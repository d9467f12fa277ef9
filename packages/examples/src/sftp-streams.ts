/** Streams to and from remote files: nothing is held in memory as a whole, and back-pressure holds. */

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { connect, lines } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

function* numbers() {
  for (let number = 1; number <= 50_000; number++) yield `${number}\n`
}

await using conn = await connect(destination)
await using sftp = await conn.startSftpClient()
await pipeline(Readable.from(numbers()), createGzip(), sftp.createWriteStream('numbers.gz'))

let last = ''
for await (const line of lines(sftp.createReadStream('numbers.gz').pipe(createGunzip()))) last = line
console.log(`last line: ${last}`)

// A part of a file, without reading the rest.
await using file = await sftp.open('numbers.gz', 'r')
const magic = await file.read(2, 0)
console.log(`starts with ${magic.toString('hex')}, of ${(await file.stat()).size} bytes`)
await sftp.remove('numbers.gz')
