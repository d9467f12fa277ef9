import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { AbortError } from '@ssh/wire'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AgentError, ConnectError } from '../../src/errors.js'
import { type AgentPlatform, agentAt } from '../../src/io/agent-socket.js'

/** A machine with these sockets and pipes, and what was connected to. */
function machine(overrides: Partial<AgentPlatform> & { readonly there?: readonly string[] } = {}) {
  const { there, ...rest } = overrides
  const connected: string[] = []
  const platform: AgentPlatform = {
    platform: 'linux',
    env: {},
    userName: () => 'Alice',
    listFolder: async () => [],
    connect: async (path) => {
      connected.push(path)
      if (there?.includes(path) === false) {
        throw new ConnectError('ERR_SSH_CONNECT_FAILED', `Cannot connect to ${path}`, {
          details: { systemCode: 'ENOENT' },
        })
      }
      return new Duplex()
    },
    ...rest,
  }
  return { platform, connected }
}

const pipe = '\\\\.\\pipe\\openssh-ssh-agent'

describe('where an agent is', () => {
  test.for([
    ['a path that is given', '/given', 'linux', { SSH_AUTH_SOCK: '/session' }, '/given'],
    ['the socket of the session', undefined, 'linux', { SSH_AUTH_SOCK: '/session' }, '/session'],
    [
      'the socket of the session, on Windows too',
      undefined,
      'win32',
      { SSH_AUTH_SOCK: '\\\\.\\pipe\\mine' },
      '\\\\.\\pipe\\mine',
    ],
    ['the pipe of OpenSSH on Windows', undefined, 'win32', {}, pipe],
    ['the pipe of OpenSSH where the variable is empty', undefined, 'win32', { SSH_AUTH_SOCK: '' }, pipe],
  ] as const)('%s', async ([, path, platformName, env, expected]) => {
    const { platform, connected } = machine({ platform: platformName, env })
    await agentAt(path, platform)?.connect()
    expect(connected).toEqual([expected])
  })

  test('nowhere, when nobody says', () => {
    expect(agentAt(undefined, machine().platform)).toBeUndefined()
    expect(agentAt(undefined, machine({ env: { SSH_AUTH_SOCK: '' } }).platform)).toBeUndefined()
  })

  test('below the home directory', async () => {
    const { platform, connected } = machine()
    await agentAt('~/agent', platform)?.connect()
    expect(connected[0]).not.toContain('~')
    expect(connected[0]).toMatch(/[\\/]agent$/)
  })
})

describe('Pageant', () => {
  const pipes = ['other', 'pageant.bob.aa', 'PAGEANT.alice.0123abcd', 'pageant.alice2.ff']

  test('is found by the name of the user among all pipes', async () => {
    const listed: string[] = []
    const { platform, connected } = machine({
      platform: 'win32',
      listFolder: async (path) => {
        listed.push(path)
        return pipes
      },
    })
    await agentAt('pageant', platform)?.connect()
    expect(listed).toEqual(['\\\\.\\pipe\\'])
    expect(connected).toEqual(['\\\\.\\pipe\\PAGEANT.alice.0123abcd'])
  })

  test.for([
    ['it does not run', 'win32', async () => ['other'], /no pipe is called pageant\.alice\./],
    [
      'the pipes cannot be listed',
      'win32',
      async () => {
        throw new Error('EPERM')
      },
      /cannot be listed/,
    ],
    ['there are no pipes', 'linux', async () => pipes, /on Windows only/],
  ] as const)('is not there when %s', async ([, platformName, listFolder, message]) => {
    const { platform, connected } = machine({ platform: platformName, listFolder })
    const error = await agentAt('pageant', platform)
      ?.connect()
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(AgentError)
    expect(error).toMatchObject({ code: 'ERR_SSH_AGENT_UNAVAILABLE', message: expect.stringMatching(message) })
    expect(connected).toEqual([])
  })
})

describe('connecting', () => {
  test('says which agent is not there', async () => {
    const { platform } = machine({ there: [] })
    await expect(agentAt('/gone\u001b[2J', platform)?.connect()).rejects.toMatchObject({
      name: 'AgentError',
      code: 'ERR_SSH_AGENT_UNAVAILABLE',
      message: expect.stringMatching(/^The agent at \/gone\\x1b\[2J cannot be reached: .* is the agent running\?$/s),
      details: { agent: '/gone\\x1b[2J' },
    })
  })

  test('is given up by its signal', async () => {
    await expect(agentAt('/there')?.connect(AbortSignal.abort('why'))).rejects.toBeInstanceOf(AbortError)
  })

  test('reaches a real socket, and says why it does not', async ({ skip }) => {
    if (process.platform === 'win32') skip('Unix sockets')
    const folder = await mkdtemp(join(tmpdir(), 'ssh-agent-test-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'agent')
    await expect(agentAt(path)?.connect()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_UNAVAILABLE' })
    const server = createServer((socket) => socket.end('hello'))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    onTestFinished(() => void server.close())
    const socket = await agentAt(path)?.connect()
    const chunks: Buffer[] = []
    for await (const chunk of socket ?? []) chunks.push(chunk)
    socket?.destroy()
    expect(Buffer.concat(chunks).toString()).toBe('hello')
  })
})
