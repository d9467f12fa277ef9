import { describe, expect, onTestFinished, test } from 'vitest'
import { childEnv } from '../../src/process/child-env.js'

const nothing = {
  clientEnv: new Map<string, string>(),
  imposedEnv: new Map<string, string>(),
  originalCommand: undefined,
  termType: undefined,
  info: {},
}

/** This process has these variables and no others, as on a platform. */
function having(variables: Readonly<Record<string, string>>, platform: NodeJS.Platform = 'linux'): void {
  const { env, platform: own } = process
  process.env = { ...variables }
  Object.defineProperty(process, 'platform', { value: platform })
  onTestFinished(() => {
    process.env = env
    Object.defineProperty(process, 'platform', { value: own })
  })
}

const basics = {
  PATH: '/bin',
  HOME: '/home/ada',
  USER: 'ada',
  LOGNAME: 'ada',
  SHELL: '/bin/sh',
  LANG: 'C',
  LC_ALL: 'C',
  LC_TIME: 'C',
  TZ: 'UTC',
  TMPDIR: '/tmp',
}
const secrets = {
  AWS_SECRET_ACCESS_KEY: 'x',
  DATABASE_URL: 'x',
  SSH_AUTH_SOCK: 'x',
  NODE_OPTIONS: 'x',
  PATH_TO_KEY: 'x',
}

describe('the variables of a child', () => {
  test('are of this process only those that every program needs', () => {
    having({ ...basics, ...secrets, SystemRoot: 'C:', path: '/other' })
    expect(childEnv(nothing)).toEqual(basics)
  })

  test('are on Windows those that its programs need, however they are written', () => {
    const windows = {
      Path: 'C:',
      SystemRoot: 'C:',
      ComSpec: 'C:',
      PATHEXT: '.EXE',
      USERPROFILE: 'C:',
      TEMP: 'C:',
      TMP: 'C:',
    }
    having({ ...windows, ...secrets }, 'win32')
    expect(childEnv(nothing)).toEqual(windows)
  })

  test('are all of this process when they are asked for, and none when none are', () => {
    having({ ...basics, ...secrets })
    expect(childEnv(nothing, { base: process.env })).toEqual({ ...basics, ...secrets })
    expect(childEnv(nothing, { base: {} })).toEqual({})
  })

  test("are the client's where they are accepted, and then not those of this process", () => {
    having({ LANG: 'C', HOME: '/home/ada' })
    const clientEnv = new Map([
      ['LANG', 'de_DE.UTF-8'],
      ['HOME', '/evil'],
    ])
    expect(childEnv({ ...nothing, clientEnv }, { accept: ['LANG'] })).toEqual({
      LANG: 'de_DE.UTF-8',
      HOME: '/home/ada',
    })
  })
})
