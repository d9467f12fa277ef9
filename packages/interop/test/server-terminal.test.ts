/** Terminals of foreign clients on our server: the line editor, and programs in pseudo-terminals. tmux is the screen. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { lines, type ServerProcess, spawnPty } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  findProgram,
  knownHostsOf,
  lacks,
  mustRun,
  peer,
  type SdkServer,
  type SdkServerOptions,
  ssh,
  startSdkServer,
  startTmux,
  type Tmux,
  temporaryFolder,
} from '../src/index.js'
import { describeLibrary, ourServer, theirClient } from './libraries/workbench.js'

const patience = { timeout: 20_000, interval: 50 }
const folder = temporaryFolder()
afterAll(() => folder.remove())

type Client = (server: SdkServer, command?: string) => Promise<readonly string[]>

/** Arguments of clients that log in without asking and want a terminal. */
const openssh: Client = async (server, command) => {
  const knownHosts = folder.write(`known_hosts_${server.port}`, knownHostsOf(server))
  const options = ['UserKnownHostsFile', 'IdentityAgent'].map(
    (name, index) => `-o${name}=${[knownHosts, 'none'][index]}`,
  )
  return [
    ...[peer('ssh'), '-F', 'none', '-q', '-tt', ...options, '-i', server.clientKey.path, '-p', String(server.port)],
    ...[`${server.username}@127.0.0.1`, ...(command === undefined ? [] : [command])],
  ]
}

const putty: Client = async (server, command) => {
  const key = join(folder.path, `key_${server.port}.ppk`)
  await mustRun([peer('puttygen'), server.clientKey.path, '-O', 'private', '-o', key])
  const fingerprints = server.hostKeys.flatMap((line) => {
    const digest = createHash('sha256').update(Buffer.from(line.split(' ')[1] ?? '', 'base64'))
    return ['-hostkey', `SHA256:${digest.digest('base64').replace(/=+$/, '')}`]
  })
  return [
    ...[peer('plink'), '-ssh', '-batch', '-noagent', '-t', '-no-antispoof', ...fingerprints, '-i', key],
    ...['-P', String(server.port), '-l', server.username, '127.0.0.1', ...(command === undefined ? [] : [command])],
  ]
}

interface Seat {
  readonly tmux: Tmux
  see(text: string): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

async function seat(
  client: Client,
  processFactory: SdkServerOptions['processFactory'],
  size: { columns: number; rows: number } = { columns: 40, rows: 12 },
): Promise<Seat> {
  const server = await startSdkServer({ hostKeyTypes: ['ed25519'], ...(processFactory && { processFactory }) })
  try {
    const tmux = await startTmux(await client(server), { ...size, env: { HOME: folder.path } })
    // PuTTY says whom it logs in as.
    const screen = async () => (await tmux.screen()).filter((row) => !row.startsWith('Using username'))
    return {
      tmux: { ...tmux, screen },
      see: async (text) => {
        await expect.poll(async () => (await tmux.screen()).join('\n'), patience).toContain(text)
      },
      [Symbol.asyncDispose]: async () => {
        await tmux.stop()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** A small program for lines. */
async function prompts(process: ServerProcess): Promise<void> {
  const { terminal, stdout } = process
  if (terminal === undefined) return process.exit(1)
  process.on('break', () => stdout.write('[interrupted]\n'))
  process.on('resize', ({ columns, rows }) => stdout.write(`[${columns}x${rows}]\n`))
  terminal.registerKey('\t', (line) => ({ line: `${line}completed` }))
  for (;;) {
    const line = await terminal.readLine({ prompt: '> ' })
    if (line === undefined) return process.exit(7)
    if (line === 'login') stdout.write(`<${await terminal.readLine({ prompt: 'Password: ', echo: false })}>\n`)
    else if (line.startsWith('later ')) setTimeout(() => stdout.write(`${line.slice(6)}\n`), 300)
    else stdout.write(`<${line}>\n`)
  }
}

const clients = [
  ['ssh', openssh, lacks('ssh', 'ssh-keygen', 'tmux')],
  ['plink', putty, lacks('plink', 'puttygen', 'ssh-keygen', 'tmux')],
] as const

describe.each(clients)('%s at a line of ours', (_, client, isAbsent) => {
  test.skipIf(isAbsent)('edits it', async () => {
    await using here = await seat(client, prompts)
    const { tmux, see } = here
    await see('>')
    await tmux.type('helo')
    await tmux.press('Left')
    await tmux.type('l')
    await expect.poll(tmux.cursorRow, patience).toBe('> hell|o')
    await tmux.press('Home', 'DC', 'End')
    await tmux.type('!')
    await tmux.press('Enter')
    await see('<ello!>')
    await tmux.press('Up', 'BSpace', 'Enter')
    await see('<ello>')
    await tmux.type('漢字 one two')
    await tmux.press('C-w', 'C-a', 'Right')
    await tmux.type('x')
    await expect.poll(tmux.cursorRow, patience).toMatch(/^> 漢x\|字 one$/)
    await tmux.press('C-u')
    await tmux.type('c')
    await tmux.press('Tab', 'Enter')
    await see('<ccompleted>')
    await expect
      .poll(tmux.screen, patience)
      .toEqual(['> ello!', '<ello!>', '> ello', '<ello>', '> ccompleted', '<ccompleted>', '>'])
  })

  test.skipIf(isAbsent)('does not see a password, and is interrupted and ended by keys', async () => {
    await using here = await seat(client, prompts)
    const { tmux, see } = here
    await see('>')
    await tmux.type('login')
    await tmux.press('Enter')
    await see('Password:')
    await tmux.type('sesame')
    await tmux.press('C-b', 'BSpace', 'Enter')
    await see('<sesae>')
    await tmux.type('half a li')
    await tmux.press('C-c')
    await see('[interrupted]')
    await expect
      .poll(tmux.screen, patience)
      .toEqual(['> login', 'Password:', '<sesae>', '> half a li^C', '[interrupted]', '>'])
    await tmux.press('C-d')
    await expect.poll(tmux.exitStatus, patience).toBe(7)
  })

  test.skipIf(isAbsent)('sees it over several rows, also when the window changes, and output above it', async () => {
    await using here = await seat(client, prompts)
    const { tmux, see } = here
    await see('>')
    await tmux.type('later news')
    await tmux.press('Enter')
    const words = 'the quick brown fox jumps over the lazy dog'
    await tmux.type(words)
    await see('news')
    const rows = (columns: number) => [...(`> ${words}`.match(new RegExp(`.{1,${columns}}`, 'g')) ?? [])]
    const expected = (columns: number) => rows(columns).map((row) => row.trimEnd())
    await expect.poll(tmux.screen, patience).toEqual(['> later news', 'news', ...expected(40)])
    await tmux.resize(24, 12)
    await see('[24x12]')
    await expect.poll(tmux.screen, patience).toEqual(['> later news', 'news', '[24x12]', ...expected(24)])
    await tmux.resize(60, 12)
    await see('[60x12]')
    await expect.poll(tmux.screen, patience).toEqual(['> later news', 'news', '[24x12]', '[60x12]', ...expected(60)])
    await tmux.press('Home')
    await tmux.type('so ')
    await expect.poll(tmux.cursorRow, patience).toBe(`> so |${words}`)
    await tmux.press('Enter')
    await see(`<so ${words}>`)
  })
})

describe.skipIf(lacks('ssh', 'ssh-keygen'))('ssh -tt without a terminal of its own', () => {
  test('is read line by line, to the end of its input', async () => {
    const got: string[] = []
    await using server = await startSdkServer({
      processFactory: async (process) => {
        for await (const line of lines(process.stdin)) got.push(line)
        process.stdout.write('bye\n')
        process.exit(3)
      },
    })
    const { status, stdout } = await ssh(server, 'x', { input: 'one\ntwo\x7fo\nthree', extraArguments: ['-tt', '-q'] })
    expect([status, got]).toEqual([3, ['one', 'two', 'three']])
    expect(stdout.toString()).toMatch(/bye\r\n/)
  })
})

const bash = (process: ServerProcess) => {
  const { termType, termSize, command } = process
  // Bash takes no prompt from the environment of root.
  const shell = ['--noprofile', '--rcfile', folder.write('bashrc', "PS1='ready$ '\n")]
  const args = command === undefined ? shell : ['-c', command]
  return process.redirect(spawnPty('bash', args, { termType, termSize }))
}

describe.skipIf(lacks('ssh', 'ssh-keygen') || findProgram('bash') === undefined)(
  'ssh in a pseudo-terminal of ours',
  () => {
    let server: SdkServer
    beforeAll(async () => {
      server = await startSdkServer({ processFactory: bash })
    })
    afterAll(() => server?.stop())
    const run = (command: string) => ssh(server, command, { extraArguments: ['-tt', '-q'] })

    test('runs commands, and ends as they do', async () => {
      const { status, stdout } = await run('test -t 0 && test -t 1 && stty size && echo $TERM && exit 5')
      expect([status, stdout.toString()]).toEqual([5, expect.stringMatching(/^\d+ \d+\r\n\S+\r\n$/)])
      expect((await run('exit 0')).status).toBe(0)
      const killed = await ssh(server, 'kill -TERM $$', { extraArguments: ['-tt', '-v'] })
      expect([killed.status, killed.stderr]).toEqual([255, expect.stringContaining('rtype exit-signal')])
      const top = await run('top -b -n1 | head -3')
      expect([top.status, top.stdout.toString()]).toEqual([0, expect.stringContaining('load average')])
    })

    test.skipIf(lacks('tmux'))('shows what full-screen programs do, in the size of the window', async () => {
      await using here = await seat(openssh, bash, { columns: 60, rows: 15 })
      const { tmux, see } = here
      await see('ready$')
      await tmux.type('trap "stty size" WINCH; stty size')
      await tmux.press('Enter')
      await see('\n15 60')
      await tmux.resize(70, 20)
      await tmux.press('Enter')
      await see('20 70')
      // What says so has the terminal, and is what the key interrupts.
      await tmux.type("sh -c 'echo going; exec sleep 1000'")
      await tmux.press('Enter')
      await see('\ngoing')
      await tmux.press('C-c')
      await see('^C')
      await tmux.type('echo $((6 * 7))')
      await tmux.press('Enter')
      await see('\n42')
      if (findProgram('vi') !== undefined) {
        const file = join(folder.path, 'note')
        await tmux.type(`clear; vi -u NONE ${file}`)
        await tmux.press('Enter')
        await see('~\n~')
        await tmux.type('ihello from vi')
        await tmux.press('Escape')
        await expect.poll(async () => (await tmux.screen())[0], patience).toBe('hello from vi')
        await tmux.type(':x')
        await tmux.press('Enter')
        await see('ready$')
        await tmux.type(`cat ${file}`)
        await tmux.press('Enter')
        await see('\nhello from vi')
      }
      await tmux.type('exit 9')
      await tmux.press('Enter')
      await expect.poll(tmux.exitStatus, patience).toBe(9)
    })

    test.skipIf(lacks('tmux'))('hangs up on it when the client goes away', async () => {
      const here = await seat(openssh, bash)
      await here.see('ready$')
      const marker = join(folder.path, 'hung-up')
      // A program and not bash, which takes no notice of its own traps while it prompts.
      const loop = `trap "echo yes > ${marker}; exit" HUP; echo trapped; while :; do sleep 0.1; done`
      await here.tmux.type(`sh -c '${loop}'`)
      await here.tmux.press('Enter')
      await here.see('\ntrapped')
      await here.tmux.stop()
      await expect.poll(() => mustRun(['cat', marker]).catch(() => ''), patience).toBe('yes\n')
      await here[Symbol.asyncDispose]().catch(() => {})
    })
  },
)

await describeLibrary('asyncssh', 'AsyncSSH', (bench) => {
  test('edits lines of ours', async () => {
    await using server = await ourServer(bench, { processFactory: prompts })
    const { connection } = await theirClient(bench, server)
    const { status, stdout } = await bench.peer.call('exec', {
      connection,
      command: 'x',
      pty: { term: 'xterm', columns: 80, rows: 24 },
      input: Buffer.from('helo\x1b[Dl\r\x1b[A!\rlogin\rsesame\r\x04').toString('base64'),
    })
    expect(status).toBe(7)
    const shown = Buffer.from(String(stdout), 'base64').toString()
    for (const line of ['<hello>', '<hello!>', '<sesame>']) expect(shown).toContain(`${line}\r\n`)
    expect(shown.replace('<sesame>', '')).not.toContain('sesame')
  })
})
