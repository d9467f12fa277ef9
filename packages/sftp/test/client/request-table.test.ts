import { describe, expect, test } from 'vitest'
import { RequestTable } from '../../src/client/request-table.js'

/** Adds a request that notes what became of it. */
function add(table: RequestTable, told: string[]): number {
  const id = table.nextId()
  table.add(id, {
    reply: (number) => told.push(`${id} answered ${number}`),
    fail: (error) => told.push(`${id} ${error.message}`),
  })
  return id
}

describe('request table', () => {
  test('hands each reply to its own request, however many wait and in whatever order they are answered', () => {
    const table = new RequestTable()
    const told: string[] = []
    const ids = Array.from({ length: 1000 }, () => add(table, told))
    expect(new Set(ids).size).toBe(1000)
    expect(table.size).toBe(1000)
    const shuffled = ids.toSorted((a, b) => ((a * 7919) % 1009) - ((b * 7919) % 1009))
    for (const id of shuffled) table.settle(id, 101, [])
    expect(told).toEqual(shuffled.map((id) => `${id} answered 101`))
    expect(table.size).toBe(0)
  })

  test('gives no id again, nor one with the same place, while a request waits', () => {
    const table = new RequestTable()
    const told: string[] = []
    const slow = add(table, told)
    for (let round = 0; round < 10_000; round++) {
      const id = add(table, told)
      expect(id).not.toBe(slow)
      table.settle(id, 101, [])
    }
    told.length = 0
    table.settle(slow, 102, [])
    expect(told).toEqual([`${slow} answered 102`])
  })

  test('refuses a reply that nobody waits for: made up, repeated, or at the place of another', () => {
    const table = new RequestTable()
    const id = add(table, [])
    for (const other of [id + 1, id + 64, id + 2 ** 31]) {
      expect(() => table.settle(other, 101, [])).toThrowError(expect.objectContaining({ code: 'ERR_SFTP_PROTOCOL' }))
      expect(table.get(other)).toBeUndefined()
    }
    table.settle(id, 101, [])
    expect(() => table.settle(id, 101, [])).toThrowError(`request ${id}, which is not in flight`)
  })

  test('fails all that wait once, and can go on', () => {
    const table = new RequestTable()
    const told: string[] = []
    const [first, second] = [add(table, told), add(table, told)]
    table.failAll(new Error('gone'))
    table.failAll(new Error('again'))
    expect(told).toEqual([`${first} gone`, `${second} gone`])
    expect(table.size).toBe(0)
    const next = add(table, told)
    table.settle(next, 101, [])
    expect(told.at(-1)).toBe(`${next} answered 101`)
  })
})
