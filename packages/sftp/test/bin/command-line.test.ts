import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../src/bin/command-line.js'

const defaults = {
  startDirectory: undefined,
  logsToStderr: false,
  facility: 'AUTH',
  level: 'ERROR',
  deniedRequests: [],
  allowedRequests: undefined,
  readOnly: false,
  umask: undefined,
}

describe('the command line of sftp-server', () => {
  test.each<[string[], object]>([
    [[], {}],
    [['-e', '-R'], { logsToStderr: true, readOnly: true }],
    [['-eR'], { logsToStderr: true, readOnly: true }],
    [['-eRd', '/x'], { logsToStderr: true, readOnly: true, startDirectory: '/x' }],
    [['-d/x'], { startDirectory: '/x' }],
    [['-d', '-x'], { startDirectory: '-x' }],
    [['-l', 'verbose'], { level: 'VERBOSE' }],
    [['-lDEBUG3', '-fLOCAL7'], { level: 'DEBUG3', facility: 'LOCAL7' }],
    [['-P', 'write,remove'], { deniedRequests: ['write', 'remove'] }],
    [['-p', 'open,close,posix-rename'], { allowedRequests: ['open', 'close', 'posix-rename'] }],
    [['-u', '027'], { umask: 0o27 }],
    [['-u0'], { umask: 0 }],
    // A shell's option: what follows is not for this program.
    [['-c', '/usr/lib/sftp-server -R'], {}],
    [['-R', '-c', '-x'], { readOnly: true }],
    [['-R', '--', '-x'], { readOnly: true }],
    [['operand', '-R'], {}],
  ])('%j', (argv, expected) => {
    expect(parseCommandLine(argv)).toEqual({ kind: 'serve', settings: { ...defaults, ...expected } })
  })

  test('asks for help and for features', () => {
    expect(parseCommandLine(['-R', '-h'])).toEqual({ kind: 'usage' })
    expect(parseCommandLine(['-Q', 'requests'])).toEqual({ kind: 'query', feature: 'requests' })
    expect(parseCommandLine(['-Qx'])).toEqual({ kind: 'query', feature: 'x' })
  })

  test.each<[string[], RegExp]>([
    [['-x'], /unknown option -x/],
    [['-eZ'], /unknown option -Z/],
    [['--read-only'], /unknown option --/],
    [['-d'], /-d requires an argument/],
    [['-R', '-u'], /-u requires an argument/],
    [['-u', '1000'], /Invalid umask "1000"/],
    [['-u', '8'], /Invalid umask "8"/],
    [['-u', ''], /Invalid umask ""/],
    [['-l', 'LOUD'], /Invalid log level "LOUD"/],
    [['-f', 'KERN'], /Invalid log facility "KERN"/],
    [['-l', '__proto__'], /Invalid log level/],
  ])('%j is refused', (argv, message) => {
    expect(() => parseCommandLine(argv)).toThrow(message)
  })
})
