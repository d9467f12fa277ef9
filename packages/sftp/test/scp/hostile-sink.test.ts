import { appendFileSync, mkdirSync, openSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { scpSend } from '../../src/scp/scp.js'
import type { ScpSourceOptions } from '../../src/scp/scp-options.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { answering, type ScriptedScp, saying } from './scripted-scp.js'

function tree(): string {
  const root = temporaryDirectory()
  mkdirSync(join(root, 'd'))
  writeFileSync(join(root, 'd/x'), 'hello')
  writeFileSync(join(root, 'd/y'), '')
  return root
}

const send = (peer: ScriptedScp, paths: string[], options: ScpSourceOptions = {}): Promise<void> =>
  scpSend(peer.channel, paths, 'target', options)

/** Says yes to everything; `refuse` may say something else to what was heard. */
function agreeing(refuse: (heard: string) => string | undefined = () => undefined): ScriptedScp {
  const peer = answering((heard) => {
    if (!/[\0\n]$/.test(heard)) return undefined
    return refuse(heard) ?? '\0'.repeat(heard.split(/[\0\n]/).length - 1)
  })
  peer.far.write(Buffer.from([0]))
  return peer
}

describe('a sink that is well', () => {
  test('hears of each thing in order', async () => {
    const root = tree()
    const peer = agreeing()
    await send(peer, [join(root, 'd')], { recurse: true })
    expect(peer.heard()).toMatch(
      /^D07\d\d 0 d\n(?:C06\d\d 5 x\nhello\0C06\d\d 0 y\n\0|C06\d\d 0 y\n\0C06\d\d 5 x\nhello\0)E\n$/,
    )
  })

  test('hears of times before each thing, with preserve', async () => {
    const root = tree()
    const peer = agreeing()
    await send(peer, [join(root, 'd/x')], { preserve: true })
    expect(peer.heard()).toMatch(/^T\d+ 0 \d+ 0\nC06\d\d 5 x\nhello\0$/)
  })

  test('hears of what is in a directory that has no name of its own', async () => {
    const root = tree()
    const peer = agreeing()
    await send(peer, [`${join(root, 'd')}/.`], { recurse: true })
    expect(peer.heard()).toMatch(/^C06/)
    expect(peer.heard()).not.toMatch(/D/)
  })

  test('hears nothing of what cannot be sent', async () => {
    const root = tree()
    const peer = agreeing()
    const errors: Error[] = []
    const paths = [join(root, 'none'), join(root, 'd'), join(root, 'd/x')]
    await send(peer, paths, { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([
      { code: 'ENOENT', srcpath: paths[0] },
      { code: 'EISDIR', srcpath: paths[1] },
    ])
    expect(peer.heard()).toMatch(/^C06\d\d 5 x\nhello\0$/)
  })

  test.skipIf(process.platform === 'win32')('gets what links lead to, or nothing of them', async () => {
    const root = tree()
    symlinkSync('x', join(root, 'd/link'))
    symlinkSync('none', join(root, 'd/broken'))
    const errors: Error[] = []
    const followed = agreeing()
    await send(followed, [join(root, 'd')], { recurse: true, onError: (error) => errors.push(error) })
    expect(followed.heard()).toMatch(/C06\d\d 5 link\nhello\0/)
    expect(errors).toMatchObject([{ code: 'ENOENT', srcpath: join(root, 'd/broken') }])
    const left = agreeing()
    await send(left, [join(root, 'd')], { recurse: true, followSymlinks: false })
    expect(left.heard()).not.toMatch(/link|broken/)
  })

  test.skipIf(process.platform === 'win32')('links that go round in a circle come to an end', async () => {
    const root = tree()
    symlinkSync('.', join(root, 'd/again'))
    const errors: Error[] = []
    await send(agreeing(), [join(root, 'd')], { recurse: true, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'ELOOP' }])
  })

  test.runIf(process.platform === 'linux')('gets files that do not tell their size', async () => {
    const peer = agreeing()
    await send(peer, ['/proc/self/status'])
    const [, size, content] = /^C0\d{3} (\d+) status\n([\s\S]*)\0$/.exec(peer.heard()) ?? []
    expect(Number(size)).toBeGreaterThan(100)
    expect(content).toHaveLength(Number(size))
  })

  test.runIf(process.platform === 'linux')('gets no device', async () => {
    await expect(send(agreeing(), ['/dev/zero'])).rejects.toMatchObject({ code: 'EINVAL' })
  })

  test('gets no name with a line break in it', async () => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'a\nC0644 4 b'), 'evil')
    const peer = agreeing()
    await expect(send(peer, [join(root, 'a\nC0644 4 b')])).rejects.toMatchObject({ code: 'EINVAL' })
    expect(peer.heard()).not.toMatch(/C0/)
  })
})

describe('a file that changes', () => {
  test('and is shorter: the sink gets zeros and is told so', async () => {
    const root = temporaryDirectory()
    const path = join(root, 'x')
    writeFileSync(path, Buffer.alloc(3_000_000, 1))
    const peer = answering((heard) => {
      if (/^C/.test(heard) && heard.endsWith('\n')) {
        truncateSync(path, 10)
        return '\0'
      }
      return /\n$/.test(heard) ? '\0' : undefined
    })
    peer.far.write(Buffer.from([0]))
    await expect(send(peer, [path])).rejects.toMatchObject({ code: 'ERR_SFTP_FILE_CHANGED', srcpath: path })
    const sent = peer.heard().replace(/^C0\d{3} 3000000 x\n/, '')
    expect(sent.length).toBeGreaterThan(3_000_000)
    expect(sent.slice(3_000_000)).toMatch(/^.scp: file changed/s)
  })

  test('and is longer: the sink gets what was announced', async () => {
    const root = temporaryDirectory()
    const path = join(root, 'x')
    writeFileSync(path, 'abc')
    const peer = agreeing((heard) => {
      if (heard.startsWith('C')) appendFileSync(path, 'def')
      return undefined
    })
    await send(peer, [path])
    expect(peer.heard()).toMatch(/3 x\nabc\0$/)
  })
})

describe('a sink that says no', () => {
  test('to a file: the rest is sent when errors are taken', async () => {
    const root = tree()
    const refusing = () =>
      agreeing((heard) => (/ x\n$/.test(heard) ? '\x01scp: target/x: Permission denied\n' : undefined))
    const errors: Error[] = []
    const peer = refusing()
    await send(peer, [join(root, 'd')], { recurse: true, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([
      { code: 'EACCES', srcpath: join(root, 'd/x'), serverText: 'scp: target/x: Permission denied' },
    ])
    expect(peer.heard()).toMatch(/ x\n/)
    expect(peer.heard()).not.toMatch(/hello/)
    expect(peer.heard()).toMatch(/E\n$/)
    await expect(send(refusing(), [join(root, 'd')], { recurse: true })).rejects.toMatchObject({ code: 'EACCES' })
  })

  test('to a directory: nothing of it is sent', async () => {
    const root = tree()
    const errors: Error[] = []
    const peer = agreeing((heard) => (heard.startsWith('D') ? '\x01scp: d: File exists\n' : undefined))
    await send(peer, [join(root, 'd'), join(root, 'd/x')], { recurse: true, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'EEXIST' }])
    expect(peer.heard()).toMatch(/^D07\d\d 0 d\nC06\d\d 5 x\nhello\0$/)
  })

  test('to the bytes: the file is not counted as sent', async () => {
    const root = tree()
    const peer = agreeing((heard) => (heard === 'hello\0' ? '\x01scp: x: No space left on device\n' : undefined))
    await expect(send(peer, [join(root, 'd/x')])).rejects.toMatchObject({ code: 'ENOSPC' })
  })

  test('for good, at any place: nothing more is sent, whatever is done with errors', async () => {
    const root = tree()
    for (const where of [/^$/, /^D/, /^C/, /hello/, /^E/]) {
      const peer = where.test('')
        ? saying('\x02scp: target: Not a directory\n', { stays: true })
        : agreeing((heard) => (where.test(heard) ? '\x02scp: target: Not a directory\n' : undefined))
      const sent = send(peer, [join(root, 'd')], { recurse: true, onError: () => {} })
      await expect(sent).rejects.toMatchObject({ code: 'ENOTDIR' })
      expect(peer.channel.isClosed).toBe(true)
    }
  })

  test('before anything is sent, with a warning: that is the end too', async () => {
    const root = tree()
    const peer = saying('\x01scp: target: No such file or directory\n', { stays: true })
    await expect(send(peer, [join(root, 'd/x')], { onError: () => {} })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('in the middle of a file, and takes nothing more: it is heard all the same', async () => {
    const root = temporaryDirectory()
    const path = join(root, 'large')
    openSync(path, 'w')
    truncateSync(path, 50_000_000)
    const [channel, far] = (await import('@ssh/testkit')).memoryChannelPair({ windowSize: 1_000_000 })
    let heard = 0
    let hasRefused = false
    far.attach({
      onData(chunk) {
        heard += chunk.length
        // The record is taken and agreed to; then its window shuts.
        if (heard < 100) {
          far.release(chunk.length)
          far.write(Buffer.from([0]))
        } else if (heard > 500_000 && !hasRefused) {
          hasRefused = true
          far.write(Buffer.from('\x02scp: large: Disk quota exceeded\n'))
        }
      },
    })
    far.write(Buffer.from([0]))
    await expect(scpSend(channel, [path], 'target')).rejects.toMatchObject({ code: 'EDQUOT' })
  })
})

describe('a sink that goes away', () => {
  const answers = '\0\0\0\0\0\0\0'

  test('after any answer: the error is typed, and nothing is left open', async () => {
    const root = tree()
    for (let count = 0; count <= answers.length; count++) {
      for (const how of ['end', 'abort'] as const) {
        const peer = saying(answers.slice(0, count), { stays: true })
        const sent = send(peer, [join(root, 'd')], { recurse: true }).then(
          () => 'sent',
          (error) => error.code,
        )
        if (count === answers.length) await sent
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
        if (how === 'end') peer.far.close()
        else peer.far.abort(new Error('gone'))
        expect([count, how, await sent]).toEqual([count, how, count === 7 ? 'sent' : 'ERR_SFTP_CONNECTION_LOST'])
      }
    }
  })

  test('and one that says something else', async () => {
    const root = tree()
    await expect(send(saying('Welcome!\n', { stays: true }), [join(root, 'd/x')])).rejects.toThrow(/start-up file/)
    await expect(send(saying('\0\0\x05what\n', { stays: true }), [join(root, 'd/x')])).rejects.toMatchObject({
      code: 'ERR_SFTP_PROTOCOL',
    })
  })

  test('a signal ends it wherever it waits', async () => {
    const root = tree()
    for (let count = 0; count < 6; count++) {
      const abort = new AbortController()
      const peer = saying(answers.slice(0, count), { stays: true })
      const sent = send(peer, [join(root, 'd')], { recurse: true, signal: abort.signal })
      abort.abort(new Error('enough'))
      await expect(sent).rejects.toMatchObject({ code: 'ABORT_ERR' })
      expect(peer.channel.isClosed).toBe(true)
    }
  })

  test('a file larger than the window waits for it, with little in memory', async () => {
    const root = temporaryDirectory()
    const path = join(root, 'large')
    openSync(path, 'w')
    truncateSync(path, 20_000_000)
    const peer = saying('\0\0', { stays: true })
    let most = 0
    const sent = send(peer, [path])
    for (let round = 0; round < 50; round++) {
      most = Math.max(most, peer.channel.queued)
      await new Promise((resolve) => setImmediate(resolve))
    }
    peer.far.write(Buffer.from([0]))
    await sent
    expect(most).toBeLessThan(2_000_000)
  })
})
