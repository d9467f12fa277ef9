// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of ssh_config are written so

/** Files of ssh_config and sshd_config that nobody would write by hand: the same ones for the same seed. */

import type { SeededRandom } from '../../../testkit/src/index.js'

/** Makes the value of one keyword. */
type MakeValue = (random: SeededRandom) => string

const oneOf =
  (...values: readonly string[]): MakeValue =>
  (random) =>
    random.pick(values)
const yesNo = oneOf('yes', 'no', 'YES', 'No', '"yes"', 'true', 'false')
const strictYesNo = oneOf('yes', 'no', 'YES', 'No', '"no"', "'yes'")
const number: MakeValue = (random) => String(random.integer(200))
const seconds = oneOf('0', '30', '10m', '1h30m', '2d', '1w', '"90"', '5M', '1h30')
const path = oneOf(
  '/a/b',
  '"/with a blank/x"',
  "'/single quotes'",
  '/esc\\ aped',
  '/a"b c"d',
  '/%h',
  '/a#b',
  '"\\"q\\""',
)
const several =
  (make: MakeValue): MakeValue =>
  (random) =>
    Array.from({ length: 1 + random.integer(3) }, () => make(random)).join(random.pick([' ', '  ', '\t']))

const port: MakeValue = (random) => String(1 + random.integer(65535))
const names = oneOf('LANG', 'LC_*', 'A?', '-LC_*', '"X_Y"', '-*')

const clientValues: Readonly<Record<string, MakeValue>> = {
  AddKeysToAgent: oneOf('yes', 'no', 'ask', 'confirm', '5m', 'confirm 1h'),
  AddressFamily: oneOf('any', 'inet', 'INET6'),
  BindAddress: oneOf('127.0.0.1', '::1', '"x y"'),
  BindInterface: oneOf('lo', 'eth0'),
  CanonicalDomains: oneOf('none', 'Example.com', 'a.b c.d.'),
  CanonicalizeFallbackLocal: yesNo,
  CanonicalizeMaxDots: number,
  CertificateFile: path,
  CheckHostIP: yesNo,
  Ciphers: oneOf('aes128-ctr', 'aes256-gcm@openssh.com,aes128-ctr', '"aes192-ctr"'),
  ClearAllForwardings: yesNo,
  Compression: strictYesNo,
  ConnectionAttempts: (random) => String(1 + random.integer(9)),
  ConnectTimeout: seconds,
  ControlMaster: oneOf('yes', 'no', 'auto', 'ask', 'autoask'),
  ControlPath: oneOf('/tmp/c', 'none', '"/a b"'),
  ControlPersist: oneOf('yes', 'no', '0', '10m', '90'),
  DynamicForward: oneOf('1080', 'localhost:1081', '*:1082', '[::1]:1083', '"1084"'),
  EnableEscapeCommandline: yesNo,
  EnableSSHKeysign: yesNo,
  EscapeChar: oneOf('none', '%', '^B', '~'),
  ExitOnForwardFailure: yesNo,
  FingerprintHash: oneOf('md5', 'sha256', 'SHA256'),
  ForwardAgent: yesNo,
  ForwardX11: yesNo,
  ForwardX11Timeout: seconds,
  GatewayPorts: yesNo,
  GlobalKnownHostsFile: oneOf('none', '/a /b', '"/x y" /z'),
  GSSAPIAuthentication: yesNo,
  HashKnownHosts: yesNo,
  HostbasedAuthentication: yesNo,
  HostKeyAlgorithms: oneOf('ssh-ed25519', 'rsa-sha2-512,ssh-ed25519'),
  HostKeyAlias: oneOf('Alias', 'other-%h', '"two words"'),
  HostName: oneOf('%h.example.com', 'real.example.org', 'UPPER.example', '192.0.2.7', '100%%'),
  IdentitiesOnly: yesNo,
  IdentityAgent: oneOf('none', 'SSH_AUTH_SOCK', '/run/agent-%u', '~/agent', '${CONFIG_TEST}/a', '$CONFIG_TEST'),
  IdentityFile: oneOf('~/.ssh/id_%h', 'none', '"/with blank"', '/k%%', '/k', '~/.ssh/x'),
  IPQoS: oneOf('af11', 'lowdelay throughput', 'cs1 EF', 'none'),
  KbdInteractiveAuthentication: yesNo,
  ChallengeResponseAuthentication: yesNo,
  KbdInteractiveDevices: oneOf('pam', 'bsdauth,pam'),
  KexAlgorithms: oneOf('curve25519-sha256', 'ecdh-sha2-nistp256,curve25519-sha256'),
  KnownHostsCommand: oneOf('none', '/bin/echo %H "a b"', '/bin/true # not a comment'),
  LocalCommand: oneOf('none', 'echo %h "quoted" # kept', "printf '%s' x"),
  LocalForward: oneOf(
    '8080 localhost:80',
    '*:8081 [::1]:81',
    'localhost:8082 db:5432',
    '[::1]:8083 h:1',
    '"8084" "h:2"',
  ),
  LogLevel: oneOf('QUIET', 'info', 'VERBOSE', 'DEBUG', 'DEBUG1', 'debug3'),
  MACs: oneOf('hmac-sha2-256', 'hmac-sha2-512,hmac-sha2-256'),
  NoHostAuthenticationForLocalhost: yesNo,
  NumberOfPasswordPrompts: number,
  PasswordAuthentication: yesNo,
  PermitLocalCommand: yesNo,
  PermitRemoteOpen: oneOf('any', 'none', 'host:80', '*:* [::1]:22'),
  Port: port,
  PreferredAuthentications: oneOf('publickey', 'password,publickey', '"keyboard-interactive"'),
  ProxyCommand: oneOf('none', 'nc %h %p', '"nc" -x "a b" %h # x', '=nc %h'),
  ProxyJump: oneOf('none', 'jump', 'user@jump:2222', 'a,b@c:3', '192.0.2.9:22', 'x@[::1]:5'),
  ProxyUseFdpass: yesNo,
  PubkeyAcceptedAlgorithms: oneOf('ssh-ed25519', 'ssh-ed25519,rsa-sha2-256'),
  PubkeyAuthentication: oneOf('yes', 'no', 'unbound', 'host-bound', 'true'),
  RekeyLimit: oneOf('default', '1G', '64K 1h', 'default none', '1000000 none', '0 30', '500M 2d'),
  RemoteCommand: oneOf('none', 'echo %n %r', 'a "b c" # d', '%%'),
  RemoteForward: oneOf('9000 localhost:90', '*:9001 h:1', '0 h:2', '/tmp/s h:3', '9002 /tmp/%h', '[::]:9003 [::1]:4'),
  RequestTTY: oneOf('yes', 'no', 'force', 'auto'),
  RequiredRSASize: number,
  RevokedHostKeys: oneOf('none', '/revoked', '"/a b"'),
  SendEnv: several(names),
  ServerAliveCountMax: number,
  ServerAliveInterval: seconds,
  SessionType: oneOf('none', 'subsystem', 'default'),
  SetEnv: oneOf('A=1', 'A=1 B="x y"', '"C=d e" C=f', 'D=a=b'),
  StdinNull: yesNo,
  StreamLocalBindUnlink: yesNo,
  StrictHostKeyChecking: oneOf('yes', 'no', 'off', 'ask', 'accept-new'),
  TCPKeepAlive: yesNo,
  KeepAlive: yesNo,
  Tunnel: oneOf('yes', 'no', 'ethernet', 'point-to-point'),
  TunnelDevice: oneOf('any', '1', '1:2', 'any:3'),
  UpdateHostKeys: oneOf('yes', 'no', 'ask'),
  User: oneOf('alice', 'bob', '"with blank"', 'dom\\\\user'),
  UserKnownHostsFile: oneOf('none', '~/.ssh/known_hosts', '~/a /b', '${CONFIG_TEST}/k_%h', '/%%'),
  VerifyHostKeyDNS: oneOf('yes', 'no', 'ask'),
  VisualHostKey: yesNo,
  XAuthLocation: oneOf('/usr/bin/xauth', '"/a b"'),
}

const serverValues: Readonly<Record<string, MakeValue>> = {
  AcceptEnv: several(oneOf('LANG', 'LC_*', 'A?')),
  AllowAgentForwarding: strictYesNo,
  AllowGroups: several(oneOf('wheel', 'root', 'adm*')),
  AllowStreamLocalForwarding: oneOf('yes', 'no', 'all', 'local', 'remote'),
  AllowTcpForwarding: oneOf('yes', 'no', 'all', 'local', 'remote'),
  AllowUsers: several(oneOf('root', 'b*', 'alice@10.0.0.0/8', 'x@*.example.com')),
  AuthenticationMethods: oneOf('publickey', 'publickey,password keyboard-interactive'),
  AuthorizedKeysFile: oneOf('/etc/keys/%u', '.ssh/k /b', 'none', '"/a b"'),
  Banner: oneOf('none', '/etc/banner', '"/a b"'),
  ChrootDirectory: oneOf('none', '/srv/%u', '%h'),
  ClientAliveCountMax: number,
  ClientAliveInterval: seconds,
  DenyGroups: several(oneOf('games', 'n*')),
  DenyUsers: several(oneOf('eve', 'mallory@192.0.2.*')),
  DisableForwarding: strictYesNo,
  ExposeAuthInfo: strictYesNo,
  ForceCommand: oneOf('none', 'echo "hi" # kept', 'internal-sftp'),
  GatewayPorts: oneOf('yes', 'no', 'clientspecified'),
  HostbasedAuthentication: strictYesNo,
  IgnoreRhosts: oneOf('yes', 'no', 'shosts-only'),
  KbdInteractiveAuthentication: strictYesNo,
  LogLevel: oneOf('QUIET', 'info', 'DEBUG', 'DEBUG2'),
  MaxAuthTries: number,
  MaxSessions: number,
  PasswordAuthentication: strictYesNo,
  PermitEmptyPasswords: strictYesNo,
  PermitListen: oneOf('any', 'none', '8080', 'localhost:8080 *:*'),
  PermitOpen: oneOf('any', 'none', 'h:80', '[::1]:22 *:443'),
  PermitRootLogin: oneOf('yes', 'no', 'prohibit-password', 'without-password', 'forced-commands-only'),
  PermitTTY: strictYesNo,
  PermitTunnel: oneOf('yes', 'no', 'ethernet', 'point-to-point'),
  PermitUserRC: strictYesNo,
  PubkeyAuthentication: strictYesNo,
  PubkeyAuthOptions: oneOf('none', 'touch-required', 'verify-required touch-required'),
  RekeyLimit: oneOf('default', '1G', '64K 1h', 'default none', '0 30'),
  RequiredRSASize: number,
  RevokedKeys: oneOf('none', '/revoked'),
  SetEnv: oneOf('A=1', 'A=1 B="x y"', '"C=d e" C=f'),
  StreamLocalBindUnlink: strictYesNo,
  TrustedUserCAKeys: oneOf('none', '/ca'),
  X11DisplayOffset: number,
  X11Forwarding: strictYesNo,
  X11UseLocalhost: strictYesNo,
}

/** Keywords of sshd_config that must not stand behind Match. */
const globalValues: Readonly<Record<string, MakeValue>> = {
  Ciphers: oneOf('aes128-ctr', 'aes256-gcm@openssh.com,aes128-ctr'),
  Compression: oneOf('yes', 'no', 'delayed'),
  FingerprintHash: oneOf('md5', 'sha256'),
  HostKeyAgent: oneOf('none', '/run/agent'),
  KexAlgorithms: oneOf('curve25519-sha256', 'ecdh-sha2-nistp256'),
  ListenAddress: oneOf('127.0.0.1', '127.0.0.1:2200', '[::1]:2201', '::1', '0.0.0.0'),
  LoginGraceTime: seconds,
  MACs: oneOf('hmac-sha2-256', 'hmac-sha2-512'),
  MaxStartups: oneOf('5', '10:30:60', '1:100:1'),
  PermitUserEnvironment: oneOf('yes', 'no', 'LANG,LC_*'),
  PerSourceMaxStartups: oneOf('none', '5'),
  PidFile: oneOf('none', '/run/x.pid'),
  Port: port,
  PrintMotd: strictYesNo,
  StrictModes: strictYesNo,
  Subsystem: oneOf('sftp internal-sftp', 'sftp /usr/lib/sftp-server -f AUTH', 'other /bin/other'),
  SyslogFacility: oneOf('AUTH', 'LOCAL3', 'daemon'),
  TCPKeepAlive: strictYesNo,
  UseDNS: strictYesNo,
  VersionAddendum: oneOf('none', 'hello world', 'x # comment'),
}

/** Lines that are wrong, each in its own way. */
const faults = [
  'Port ssh2',
  'Port',
  'Port 22 23',
  'ForwardX11 maybe',
  'User "unclosed',
  'NoSuchKeyword yes',
  'RekeyLimit 3',
  'ConnectTimeout 5x',
  'ServerAliveCountMax -1',
  'LocalForward 8080',
  'DynamicForward 99999',
  'TunnelDevice x',
  'SendEnv A=B',
  'SetEnv novalue',
  'EscapeChar ab',
  'GlobalKnownHostsFile /a none',
  'ProxyJump user@',
  'IPQoS fast',
  'StreamLocalBindMask 999',
  'LogLevel LOUD',
  '= yes',
  '"" yes',
] as const

const serverFaults = [
  'Port 0',
  'MaxAuthTries x',
  'PermitRootLogin maybe',
  'Banner "unclosed',
  'NoSuchKeyword yes',
  'PermitOpen host',
  'MaxStartups 10:0:5',
  'ForwardAgent yes',
  'Match',
  'Match Nobody x',
  'Match User',
  'Match Address 10.0.0.0/33',
  'ClientAliveInterval 5x',
  'AcceptEnv A=B',
] as const

/** A file, and the files that it includes, by name. */
export interface GeneratedConfig {
  readonly text: string
  readonly included: ReadonlyMap<string, string>
}

/** @param folder where included files will be; of an absolute path */
export function generateClientConfig(random: SeededRandom, folder: string): GeneratedConfig {
  return new Generator(random, folder, {
    values: clientValues,
    globals: clientValues,
    faults,
    section: () => clientSection(random),
  }).generate()
}

/** @param folder as for {@link generateClientConfig} */
export function generateServerConfig(random: SeededRandom, folder: string): GeneratedConfig {
  return new Generator(random, folder, {
    values: serverValues,
    globals: { ...serverValues, ...globalValues },
    faults: serverFaults,
    section: () => serverSection(random),
  }).generate()
}

const hostPatterns = [
  '*',
  'alpha',
  'a*',
  'beta.example.com',
  '*.example.com',
  '!alpha',
  '!*.org',
  '?????',
  '10.0.0.*',
  'x',
]

function clientSection(random: SeededRandom): string {
  const patterns = () => Array.from({ length: 1 + random.integer(3) }, () => random.pick(hostPatterns))
  if (random.integer(3) > 0) return `${random.pick(['Host', 'host', 'HOST'])} ${patterns().join(' ')}`
  const negation = () => random.pick(['', '', '!'])
  const criterion = random.pick([
    () => `${negation()}host ${patterns().join(',')}`,
    () => `${negation()}originalhost "${patterns().join(',')}"`,
    () => `${negation()}user ${random.pick(['alice', 'bob,alice', '*', '!bob,*'])}`,
    () => `localuser ${random.pick(['root', '*', 'nobody'])}`,
    () => `${negation()}exec ${random.pick(['true', 'false', '"test %p = 22"', '"test x%n = xalpha"', '"exit 0"'])}`,
    () => `${negation()}final`,
    () => 'canonical',
  ])
  if (random.integer(8) === 0) return random.pick(['Match all', 'Match !all', 'Match final all', 'match ALL # comment'])
  return `${random.pick(['Match', 'match'])} ${Array.from({ length: 1 + random.integer(2) }, () => criterion()).join(' ')}`
}

function serverSection(random: SeededRandom): string {
  const criterion = random.pick([
    () => `User ${random.pick(['root', 'alice', 'a*,!alice', '*'])}`,
    () => `user "${random.pick(['alice,bob', 'r*'])}"`,
    () => `Group ${random.pick(['root', 'games', '*'])}`,
    () => `Host ${random.pick(['client.example.com', '*.example.com', '*'])}`,
    () => `Address ${random.pick(['10.0.0.1', '10.0.0.0/8', '192.0.2.*', '!10.0.0.1,*', '2001:db8::/32'])}`,
    () => `LocalAddress ${random.pick(['127.0.0.1', '127.0.0.0/8', '::1'])}`,
    () => `LocalPort ${random.pick(['22', '2200'])}`,
  ])
  if (random.integer(6) === 0) return 'Match all'
  return `Match ${Array.from({ length: 1 + random.integer(2) }, () => criterion()).join(' ')}`
}

interface Language {
  readonly values: Readonly<Record<string, MakeValue>>
  /** For what stands in front of the first section. */
  readonly globals: Readonly<Record<string, MakeValue>>
  readonly faults: readonly string[]
  section(): string
}

class Generator {
  readonly #random: SeededRandom
  readonly #folder: string
  readonly #language: Language
  readonly #included = new Map<string, string>()

  constructor(random: SeededRandom, folder: string, language: Language) {
    this.#random = random
    this.#folder = folder
    this.#language = language
  }

  generate(): GeneratedConfig {
    const text = this.#file(0, false)
    return { text, included: this.#included }
  }

  #file(depth: number, isConditional: boolean): string {
    const random = this.#random
    const lines: string[] = []
    let isInSection = isConditional
    const sections = 1 + random.integer(5)
    for (let section = 0; section < sections; section++) {
      if (section > 0 || random.integer(3) === 0) {
        lines.push(this.#decorated(this.#language.section()))
        isInSection = true
      }
      const count = random.integer(7)
      for (let each = 0; each < count; each++) lines.push(this.#line(depth, isInSection))
    }
    return `${lines.join(random.pick(['\n', '\n', '\r\n']))}${random.pick(['\n', ''])}`
  }

  #line(depth: number, isInSection: boolean): string {
    const random = this.#random
    switch (random.integer(24)) {
      case 0:
        return random.pick(['', '# comment', '   # "comment', '\t'])
      case 1:
        return depth < 2 ? this.#decorated(`Include ${this.#include(depth, isInSection)}`) : ''
      case 2:
        if (random.integer(6) === 0) return random.pick(this.#language.faults)
    }
    const table = isInSection ? this.#language.values : this.#language.globals
    const keyword = random.pick(Object.keys(table))
    const value = table[keyword]?.(random) ?? ''
    if (random.integer(8) === 0) return this.#decorated(`"${keyword}"${random.pick([' ', '\t'])}${value}`)
    const written = random.pick([keyword, keyword.toLowerCase(), keyword.toUpperCase()])
    // A value that begins with "=" would be taken for the one that separates.
    const separator = value.startsWith('=') ? ' = ' : random.pick([' ', '  ', '\t', '=', ' = ', ' =', '= '])
    return this.#decorated(`${written}${separator}${value}`)
  }

  /** Blanks around, which mean nothing. */
  #decorated(line: string): string {
    return `${this.#random.pick(['', '', '  ', '\t'])}${line}${this.#random.pick(['', '', ' ', '\t '])}`
  }

  #include(depth: number, isConditional: boolean): string {
    const random = this.#random
    if (random.integer(6) === 0) return `${this.#folder}/missing-*.conf`
    const files = Array.from({ length: 1 + random.integer(2) }, () => {
      const text = this.#file(depth + 1, isConditional)
      const name = `included-${this.#included.size}.conf`
      this.#included.set(name, text)
      return name
    })
    const [first = ''] = files
    if (files.length === 1 && random.integer(2) === 0) return `"${this.#folder}/${first.replace('-', '[-_]')}"`
    return files.map((name) => `${this.#folder}/${name}`).join(' ')
  }
}
