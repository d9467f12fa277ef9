/**
 * A small shell for terminals: a prompt, history, completion of commands by Tab, and a password that is not shown.
 *
 *     ssh -t -p 8022 ada@localhost
 */

import { listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)
const commands = ['help', 'passwd', 'quit', 'time']

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: async (client) => {
    const { terminal, stdout } = client
    if (terminal === undefined) {
      client.stderr.write('This needs a terminal: ssh -t\n')
      return client.exit(1)
    }
    terminal.registerKey('\t', (typed) => {
      const [match, ...others] = commands.filter((command) => command.startsWith(typed))
      return match !== undefined && others.length === 0 ? { line: match } : 'bell'
    })
    client.on('break', () => stdout.write('^C is no way out, quit is\n'))
    for (;;) {
      const line = await terminal.readLine({ prompt: `${client.info.username}> ` })
      if (line === undefined || line === 'quit') break
      if (line === 'help') stdout.write(`${commands.join(' ')}\n`)
      else if (line === 'time') stdout.write(`${new Date().toISOString()}\n`)
      else if (line === 'passwd') {
        const password = await terminal.readLine({ prompt: 'New password: ', echo: false })
        stdout.write(`${password?.length ?? 0} characters, forgotten at once\n`)
      } else stdout.write(`unknown command: ${line}\n`)
    }
    client.exit(0)
  },
})
console.log(`listening on port ${server.port}`)
