import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { randomFraction, systemRandom } from '../src/index.js'

describe('systemRandom', () => {
  it('gives as many bytes as asked for, and other ones each time', () => {
    expect(systemRandom.bytes(0)).toHaveLength(0)
    const draws = Array.from({ length: 100 }, () => Buffer.from(systemRandom.bytes(16)).toString('hex'))
    expect(new Set(draws).size).toBe(100)
  })

  it('gives fractions from 0 to less than 1', () => {
    const fractionOf = (byte: number) =>
      randomFraction({ ...systemRandom, bytes: (count) => Buffer.alloc(count, byte) })
    expect([fractionOf(0), fractionOf(0x80), fractionOf(0xff)]).toEqual([0, 0x80808080 / 2 ** 32, 1 - 2 ** -32])
    expect(new Set(Array.from({ length: 20 }, () => randomFraction())).size).toBeGreaterThan(1)
  })
})

it('B17: nothing that is published draws from Math.random', async () => {
  const packages = new URL('../../', import.meta.url)
  for (const name of ['wire', 'crypto', 'conn', 'sftp', 'streams', 'sdk']) {
    const files = await readdir(new URL(`${name}/src/`, packages), { recursive: true })
    const sources = files.filter((file) => file.endsWith('.ts'))
    expect(sources.length).toBeGreaterThan(0)
    for (const file of sources) {
      const text = await readFile(new URL(`${name}/src/${file}`, packages), 'utf8')
      expect(text.includes('Math.random'), `${name}/src/${file}`).toBe(false)
    }
  }
})
