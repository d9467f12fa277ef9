/** Talks to a program that asks questions. */

import { connect, expect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)
const script = 'printf "Name? "; read name; printf "Age? "; read age; echo "$name is $age years old"'

await using conn = await connect(destination)
const program = await conn.createProcess(script)
await expect(program, 'Name? ', { timeout: '10s' })
program.stdin.write('Ada\n')
await expect(program, 'Age? ', { timeout: '10s' })
program.stdin.write('36\n')
const { groups } = await expect(program, /(\w+) is (\d+)/)
console.log(`name ${groups[0]}, age ${groups[1]}`)
await program.wait({ check: true })
