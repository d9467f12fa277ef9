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
