/** Who is who, and where they live: expand-path, home-directory, users-groups-by-id (OpenSSH PROTOCOL §4.9, §4.11, §4.12). */

import { mkdirSync, symlinkSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ExtendedRequestName, extendedRequests, usersGroupsReply } from '../../src/protocol/extensions.js'
import { requests } from '../../src/protocol/packets.js'
import type { SftpHandler } from '../../src/server/handler.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { attack } from './hostile/attack.js'

function asker<F>(handler: SftpHandler<F>) {
  const { client } = attack(handler)
  const ask = async (request: ExtendedRequestName, fields: object) => {
    const payload = extendedRequests.encode(request, fields as never)
    const reply = await client.ask((id) => requests.extended.encode({ id, request, payload }))
    return reply.type === 'name' ? reply.entries[0]?.fileName : reply
  }
  return {
    expand: (path: string) => ask('expand-path@openssh.com', { path }),
    home: (username: string) => ask('home-directory', { username }),
    names: async (uids: number[], gids: number[]) => {
      const reply = await ask('users-groups-by-id@openssh.com', { uids, gids })
      if (typeof reply !== 'object' || reply.type !== 'extendedReply') return reply
      const { users, groups } = usersGroupsReply.decode(reply.payload)
      return [users, groups]
    },
  }
}

describe('in a root', () => {
  function jail(options: { startDirectory?: string } = {}) {
    const root = temporaryDirectory()
    mkdirSync(join(root, 'home/me'), { recursive: true })
    symlinkSync('home', join(root, 'homes'))
    return asker(new SftpServer({ root, ...options }))
  }

  test('~ is where relative paths start, and no other user has a home', async () => {
    const { expand, home } = jail({ startDirectory: '/homes/me' })
    expect(await expand('~')).toBe('/home/me')
    expect(await expand('~/')).toBe('/home/me')
    expect(await expand('~/new')).toBe('/home/me/new')
    expect(await expand('~/../..')).toBe('/')
    expect(await expand('~/../../../../etc')).toBe('/etc')
    expect(await expand('')).toBe('/home/me')
    expect(await expand('x')).toBe('/home/me/x')
    expect(await expand('/homes/~')).toBe('/home/~')
    expect(await expand('~root')).toMatchObject({ code: 2, message: 'no such user' })
    expect(await expand('~root/.ssh')).toMatchObject({ code: 2 })
    expect(await home('')).toBe('/homes/me')
    expect(await home('root')).toMatchObject({ code: 2 })
    expect(await home(userInfo().username)).toMatchObject({ code: 2 })
  })

  test('without a start directory ~ is the root', async () => {
    const { expand } = jail()
    expect(await expand('~')).toBe('/')
    expect(await expand('~/home')).toBe('/home')
  })

  test('users and groups have no names: the numbers of this machine mean nothing to the client', async () => {
    expect(await jail().names([0, 1, 4294967295], [0])).toEqual([['', '', ''], ['']])
  })
})

test('a server that has names for numbers tells them, and each is asked for once', async () => {
  let asked = 0
  class Named extends SftpServer {
    override formatUser(uid: number): string {
      asked++
      return uid === 7 ? 'seven' : super.formatUser(uid)
    }
  }
  const { names } = asker(new Named({ root: temporaryDirectory() }))
  expect(await names([7, 8, 7], [7])).toEqual([['seven', '', 'seven'], ['']])
  expect(asked).toBe(2)
})

test('more names than a packet holds are refused, not sent', async () => {
  class Named extends SftpServer {
    override formatUser(): string {
      return 'x'.repeat(100)
    }
  }
  const { names } = asker(new Named({ root: temporaryDirectory() }))
  const many = Array.from({ length: 10_000 }, (_value, index) => index)
  expect(await names(many, [])).toMatchObject({ type: 'status', code: 4 })
  expect(await names([1], [1])).toEqual([['x'.repeat(100)], ['']])
})

test('on the whole machine ~ is the home of whoever runs the server, whom it knows by name too', async () => {
  const { expand, home } = asker(new SftpServer())
  expect(await home('')).toBe(userInfo().homedir)
  expect(await home(userInfo().username)).toBe(userInfo().homedir)
  expect(await home('nobody-of-this-name')).toMatchObject({ code: 2 })
  expect(homedir().length).toBeGreaterThan(0)
  expect(await expand(`~${userInfo().username}`)).toBe(await expand('~'))
})
