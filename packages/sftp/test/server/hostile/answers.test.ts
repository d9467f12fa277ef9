import { memoryChannelPair } from '@ssh/testkit'
import { expect, test } from 'vitest'
import { requests } from '../../../src/protocol/packets.js'
import type { SftpHandler } from '../../../src/server/handler.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { type ServeSftpOptions, serveSftp } from '../../../src/server/serve-sftp.js'
import { attack } from './attack.js'

test('what a handler throws is told by kind, and its message is kept here', async () => {
  const handler: SftpHandler = Object.create(new MemoryHandler(), {
    stat: {
      value: (path: string) => {
        if (path === 'a') throw new Error('secret detail')
        throw Object.assign(new Error('secret detail'), { code: path })
      },
    },
    end: { value: undefined },
  })
  const { client } = attack(handler)
  const ask = (path: string) => client.ask((id) => requests.stat.encode({ id, path }))
  expect(await ask('a')).toMatchObject({ code: 4, message: 'Failure' })
  expect(await ask('ENOENT')).toMatchObject({ code: 2 })
  expect(await ask('EPERM')).toMatchObject({ code: 3 })
  expect(await ask('ENOTEMPTY')).toMatchObject({ code: 4, message: 'directory not empty' })
  expect(JSON.stringify(client.replies)).not.toContain('secret')
})

test('a misspelt option is refused by name: `readonly` would leave everything writable', () => {
  const [, far] = memoryChannelPair()
  const options = { readonly: true } as ServeSftpOptions
  expect(() => serveSftp(far, new MemoryHandler(), options)).toThrow(/unknown option "readonly"/)
})

test('a handler whose end throws, now or later, ends the session all the same', async () => {
  for (const end of [() => Promise.reject(new Error('no')), () => expect.fail()]) {
    const { session, near } = attack(Object.assign(new MemoryHandler(), { end }))
    near.abort()
    await session.closed
  }
})

test('an answer that no packet holds is a failure, and the session goes on', async () => {
  const handler = Object.assign(new MemoryHandler(), { readlink: () => 'x'.repeat(300_000) })
  const { client } = attack(handler)
  expect(await client.ask((id) => requests.readlink.encode({ id, path: 'a' }))).toMatchObject({ code: 4 })
  expect(await client.ask((id) => requests.stat.encode({ id, path: '/' }))).toMatchObject({ type: 'attrs' })
})

test('a limit that limits nothing, or lets nothing through, is refused by name', () => {
  for (const name of ['maximumHandles', 'maximumRequests']) {
    for (const value of [0, -1, 1.5, Number.NaN, '10']) {
      const [, far] = memoryChannelPair()
      expect(() => serveSftp(far, new MemoryHandler(), { [name]: value } as never)).toThrow(name)
    }
  }
})
