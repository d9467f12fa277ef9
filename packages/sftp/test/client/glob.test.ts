import { processorTimeMs } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { serve, servers } from '../servers.js'

describe.each(servers.filter(({ isHere }) => isHere))('patterns on $name', ({ start }) => {
  test.each<[string | string[], string[]]>([
    ['*', ['a.txt', 'b.txt', 'dir']],
    ['*.txt', ['a.txt', 'b.txt']],
    ['./?.txt', ['./a.txt', './b.txt']],
    ['[!a].txt', ['b.txt']],
    ['{a,b,c}.txt', ['a.txt', 'b.txt']],
    ['{b.txt,dir/*}', ['b.txt', 'dir/c.txt', 'dir/sub']],
    ['*/', ['dir/']],
    ['d*/sub/', ['dir/sub/']],
    ['dir', ['dir']],
    ['dir/', ['dir/']],
    ['dir/*/d.txt', ['dir/sub/d.txt']],
    ['**/*.txt', ['a.txt', 'b.txt', 'dir/c.txt', 'dir/sub/d.txt']],
    ['dir/**', ['dir', 'dir/c.txt', 'dir/sub', 'dir/sub/d.txt']],
    ['**/sub/**/*.txt', ['dir/sub/d.txt']],
    ['dir/../a.txt', ['dir/../a.txt']],
    ['.h*', ['.hidden']],
    [
      ['a*', '*.txt', 'a.txt'],
      ['a.txt', 'b.txt'],
    ],
  ])('%j', async (pattern, expected) => {
    const { client } = await start()
    await client.makedirs('dir/sub')
    for (const name of ['a.txt', 'b.txt', '.hidden', 'dir/c.txt', 'dir/sub/d.txt']) await client.writeFile(name, '')
    await client.symlink('..', 'dir/sub/.loop')
    expect((await client.glob(pattern)).sort()).toEqual(expected)
  })

  test('an absolute pattern gives absolute paths', async () => {
    const { client, cwd } = await start()
    await client.writeFile('a.txt', '')
    const prefix = cwd === '/' ? '' : cwd
    expect(await client.glob(`${prefix}/a*`)).toEqual([`${prefix}/a.txt`])
  })

  test('F13: names that look like patterns are only names', async () => {
    const { client } = await start()
    for (const name of ['*', '[', '{a,b}', '**', 'a', 'b']) await client.makedirs(`${name}/x`)
    expect((await client.glob('*/x')).sort()).toEqual(['**/x', '*/x', '[/x', 'a/x', 'b/x', '{a,b}/x'])
    expect(await client.glob('\\*/x')).toEqual(['*/x'])
    expect(await client.glob('[[]')).toEqual(['['])
  })

  test('no match is an error, and errors can be collected', async () => {
    const { client } = await start()
    await client.writeFile('a', '')
    await expect(client.glob('none*')).rejects.toMatchObject({ code: 'ENOENT', path: 'none*' })
    await expect(client.glob('a/*')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(client.glob('none')).rejects.toMatchObject({ code: 'ENOENT' })
    const errors: Error[] = []
    expect(await client.glob(['none*', 'a'], { onError: (error) => errors.push(error) })).toEqual(['a'])
    expect(errors).toHaveLength(1)
  })
})

test('a pattern is searched while it is iterated, and no further', async () => {
  let listed = 0
  class Counting extends MemoryHandler {
    override *scandir(path: string) {
      listed++
      yield* super.scandir(path)
    }
  }
  const { client } = await serve(new Counting())
  for (let index = 0; index < 20; index++) {
    await client.mkdir(`d${index}`)
    await client.writeFile(`d${index}/f`, '')
  }
  for await (const path of client.glob('*/f')) {
    expect(path).toBe('d0/f')
    break
  }
  expect(listed).toBeLessThan(5)
})

test.each([
  ['*a'.repeat(24).concat('*b'), 'a'.repeat(250)],
  ['*a'.repeat(24).concat('*c*b'), 'a'.repeat(249).concat('b')],
  ['[a-z]*'.repeat(24).concat('c*b'), 'a'.repeat(249).concat('b')],
  ['*?'.repeat(24).concat('c?b'), 'a'.repeat(249).concat('b')],
  ['*'.repeat(100).concat('c'), 'a'.repeat(250)],
])('F13: a matcher does not run away: %s', async (pattern, name) => {
  const { client } = await serve(new MemoryHandler())
  await client.writeFile(name, '')
  const search = () => expect(client.glob(pattern)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await processorTimeMs(search)).toBeLessThan(3000)
})
