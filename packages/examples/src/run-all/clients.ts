/** The example clients, and what each must print when it talks to the embedded server. */

import assert from 'node:assert/strict'
import { hostname, type } from 'node:os'
import { challenge } from '../support/embedded-server.js'
import type { Targets } from './targets.js'

export interface ClientExample {
  /** File name without `.ts`. */
  readonly name: string
  /** Arguments; default the destination. */
  args?(destination: string, targets: Targets): readonly string[]
  /** What is typed. */
  readonly stdin?: string
  /** Looks at what it printed. @throws AssertionError */
  check(output: string): void
}

const prints = (name: string, expected: string): ClientExample => ({
  name,
  check: (output) => assert.equal(output, expected),
})

export const clientExamples: readonly ClientExample[] = [
  prints('client-simple', `Hello from ${hostname()}\n`),
  prints('client-input', 'apple, fig, pear\n10, 20, 30\n'),
  prints(
    'client-exit-status',
    'status 3, standard error: no such thing\nstatus null, signal TERM, returncode -15\ninterrupted: INT\n',
  ),
  prints('client-environment', 'en_GB.UTF-8 C\nrefused: none\n'),
  prints('client-pipe', 'the last of them is 100000\ntheir sum is 55\n'),
  prints('client-redirect', 'apple, quince, walnut\n5 lines\none, two\n'),
  prints('client-lines', 'line 1\nline 2\nline 3\n'),
  prints('client-expect', 'name Ada, age 36\n'),
  prints('client-timeout', 'ERR_SSH_PROCESS_TIMEOUT after printing "started"\nAbortError ABORT_ERR\n'),
  {
    name: 'client-many',
    args: (destination) => [destination, 'demo@127.0.0.1:1'],
    check(output) {
      // In the order of arrival.
      assert.match(output, new RegExp(`^\\w+@127\\.0\\.0\\.1:\\d+: ${type()}$`, 'm'))
      assert.match(output, /^demo@127\.0\.0\.1:1: .*ECONNREFUSED/m)
    },
  },
  prints('client-pool', 'the sum of 30 squares is 9455\n'),
  {
    name: 'client-reconnect',
    check: (output) =>
      assert.match(
        output,
        /^hello from the other side\nthe connection broke: .*pulled the plug\nhello from the other side\n/,
      ),
    args: (destination, { web }) => [destination, web],
  },
  {
    name: 'client-errors',
    check(output) {
      const [hostKey = '', password = '', command = ''] = output.split('\n')
      assert.match(
        hostKey,
        /^ERR_SSH_HOST_KEY_FINGERPRINT_MISMATCH: .*ssh-ed25519 SHA256:\S+, but .* expects SHA256:47DE/,
      )
      assert.match(password, /^ERR_SSH_AUTH_FAILED: .*password \(rejected\)/)
      assert.match(command, /^ERR_SSH_PROCESS_FAILED: status [12], .*\/no\/such\/folder/)
    },
  },
  { ...prints('client-keyboard-interactive', 'logged in as demo\n'), stdin: `${challenge.answer}\n` },
  {
    ...prints('client-forward-local', 'hello from the other side\n'),
    args: (destination, { web }) => [destination, web],
  },
  {
    name: 'client-forward-accept',
    args: (destination, { web }) => [destination, web],
    check: (output) => assert.match(output, /^from 127\.0\.0\.1: accepted\n200\nfrom 127\.0\.0\.1: refused\n.+\n$/),
  },
  prints('client-forward-remote', 'hello from this side\n'),
  {
    ...prints('client-forward-socks', 'reached through SOCKS\n'),
    args: (destination) => [destination, destination],
  },
  {
    ...prints('client-jump-host', 'reached through a jump host\nand once more\n'),
    args: (destination) => [destination, destination],
  },
  {
    ...prints('client-direct-tcp', 'HTTP/1.1 200 OK\nport 1: ERR_SSH_CHANNEL_OPEN_REFUSED, reason 2\n'),
    args: (destination, { web }) => [destination, web],
  },
  {
    name: 'client-listen',
    check: (output) => assert.match(output, /^you come from (?:127\.0\.0\.1|::1)\nGOOD MORNING\n$/),
  },
  {
    ...prints('client-unix-socket', 'pong\n'),
    args: (destination, { socketPath }) => [destination, socketPath],
  },
  prints('sftp-get-put', 'equal: true\n<svg/>\n'),
  prints('sftp-reliable', 'interrupted: true\nthen whole: true\n{ "colour": "green" }\n'),
  prints('sftp-copy', 'end.txt, letter.txt\nDear Ada,\nYours, Charles\n'),
  prints('scp-copy', '<svg/>\n<h1>Hello</h1>\n'),
  {
    name: 'sftp-mget',
    check(output) {
      const [leftOut = '', fetched = '', rest = ''] = output.split('\n')
      assert.match(leftOut, /^left out: ENOENT.*var\/\*\.missing/)
      assert.equal(fetched, 'a.log, b.log, c.log')
      assert.doesNotMatch(rest, /\.log/)
      assert.match(rest, /var\/2026, var\/notes\.txt/)
    },
  },
  {
    name: 'sftp-streams',
    check(output) {
      assert.match(output, /^last line: 50000\nstarts with 1f8b, of \d{5,} bytes\n$/)
    },
  },
  {
    name: 'sftp-browse',
    check(output) {
      const [one, two, three, link, content, , missing = ''] = output.split('\n')
      assert.deepEqual([one, two, three].sort(), ['directory box', 'file book.txt', 'symlink favourite'])
      assert.equal(link, 'links to book.txt, 32 bytes')
      assert.equal(content, 'It was a dark and stormy night.')
      assert.match(missing, /^ENOENT: .*shelf\/lost\.txt/)
    },
  },
  {
    name: 'keys-generate',
    check(output) {
      assert.match(output, /^ssh-ed25519 SHA256:[\w+/]{43}\nthe signature fits: true\ncomment: ada@example\.com\n$/)
    },
  },
]
