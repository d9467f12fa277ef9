/** Keywords of sshd_config: one row each. sshd_config(5) of OpenSSH 9. */

import { faultOfAddressList } from './address-list.js'
import type { CriterionKind } from './config-match.js'
import { append, type ConfigGrammar, type KeywordRow, keywordsByName, type ValuesOf } from './config-model.js'
import {
  algorithms,
  assignments,
  choices,
  constants,
  fingerprintHash,
  integer,
  logLevel,
  mode,
  parsePort,
  plainCommand,
  port,
  type RekeyLimitValue,
  rekeyLimit,
  seconds,
  syslogFacility,
  ValueFault,
  type ValueKind,
  variableNames,
  word,
  wordList,
  wordsOrNone,
  strictYesNo as yesNo,
} from './config-values.js'
import { channelTimeouts, ipQos } from './ssh-config-values.js'
import {
  absoluteCommand,
  addendum,
  authenticationMethods,
  firstOfEachName,
  integerOrNone,
  listenAddress,
  maxStartups,
  netBlockSize,
  permitListen,
  permitOpen,
  pubkeyAuthOptions,
  subsystem,
  timeoutOrNone,
  userEnvironment,
  userPatterns,
} from './sshd-config-values.js'

type Facts<T> = Omit<KeywordRow<NoInfer<T>>, 'name' | 'kind' | 'becomes' | 'isForMatch'>

/** A keyword for the whole server. */
function global<T>(name: string, kind: ValueKind<T>, becomes: string, facts: Facts<T> = {}): KeywordRow<T> {
  return { name, kind, becomes, isForMatch: false, ...facts }
}

/** A keyword that may differ from user to user, and from client to client. */
function row<T>(name: string, kind: ValueKind<T>, becomes: string, facts: Facts<T> = {}): KeywordRow<T> {
  return { name, kind, becomes, isForMatch: true, ...facts }
}

const path = { letters: 'hUu' } as const

const ignored = {
  log: 'ignored: a logger is handed in',
  gssapi: 'ignored: there is no GSSAPI here, and so nobody gets in by it',
  hostbased: 'ignored: there is no host-based login here, and so nobody gets in by it',
  kerberos: 'ignored: there is no Kerberos here',
  system: 'ignored: the builder’s handlers start programs',
  fewer: 'ignored: it would allow what this server never does',
} as const

const forwardingScope = choices(['yes', 'yes', 'all'], ['no', 'no'], ['local', 'local'], ['remote', 'remote'])

export const serverKeywords = {
  acceptEnv: row('AcceptEnv', variableNames, 'acceptEnv', { merge: append }),
  addressFamily: global('AddressFamily', constants('any', 'inet', 'inet6'), 'host', { fallback: 'any' }),
  allowAgentForwarding: row('AllowAgentForwarding', yesNo, 'agentForwarding', { fallback: true }),
  allowGroups: row('AllowGroups', wordList, 'who may log in', { merge: append }),
  allowStreamLocalForwarding: row('AllowStreamLocalForwarding', forwardingScope, 'allowStreamLocalForwarding', {
    fallback: 'yes',
  }),
  allowTcpForwarding: row('AllowTcpForwarding', forwardingScope, 'allowTcpForwarding', { fallback: 'yes' }),
  allowUsers: row('AllowUsers', userPatterns, 'who may log in', { merge: append }),
  authenticationMethods: row('AuthenticationMethods', authenticationMethods, 'requiredAuth', { fallback: [] }),
  authorizedKeysCommand: row('AuthorizedKeysCommand', absoluteCommand, 'an error', { fallback: 'none' }),
  authorizedKeysCommandUser: row('AuthorizedKeysCommandUser', word, 'an error', { fallback: 'none' }),
  authorizedKeysFile: row('AuthorizedKeysFile', filesOrDefault(), 'authorizedClientKeys', {
    fallback: ['.ssh/authorized_keys', '.ssh/authorized_keys2'],
    expands: path,
  }),
  authorizedPrincipalsCommand: row('AuthorizedPrincipalsCommand', absoluteCommand, 'an error', { fallback: 'none' }),
  authorizedPrincipalsCommandUser: row('AuthorizedPrincipalsCommandUser', word, 'an error', { fallback: 'none' }),
  authorizedPrincipalsFile: row('AuthorizedPrincipalsFile', word, 'an error', { fallback: 'none', expands: path }),
  banner: row('Banner', word, 'banner', { fallback: 'none' }),
  caSignatureAlgorithms: row('CASignatureAlgorithms', algorithms, 'ignored: there are no certificates here'),
  channelTimeout: row('ChannelTimeout', channelTimeouts, 'a warning', { fallback: [] }),
  chrootDirectory: row('ChrootDirectory', word, 'the root of SFTP', { fallback: 'none', expands: path }),
  ciphers: global('Ciphers', algorithms, 'encryptionAlgs'),
  clientAliveCountMax: row('ClientAliveCountMax', integer, 'keepaliveCountMax', { fallback: 3 }),
  clientAliveInterval: row('ClientAliveInterval', seconds, 'keepaliveInterval', { fallback: 0 }),
  compression: global('Compression', choices(['yes', 'yes', 'delayed'], ['no', 'no']), 'compressionAlgs', {
    fallback: 'yes',
  }),
  debianBanner: global('DebianBanner', yesNo, 'ignored: this is no program of a distribution'),
  denyGroups: row('DenyGroups', wordList, 'who may log in', { merge: append }),
  denyUsers: row('DenyUsers', userPatterns, 'who may log in', { merge: append }),
  disableForwarding: row('DisableForwarding', yesNo, 'allowTcpForwarding, agentForwarding, x11Forwarding', {
    fallback: false,
  }),
  exposeAuthInfo: row('ExposeAuthInfo', yesNo, ignored.system, { fallback: false }),
  fingerprintHash: global('FingerprintHash', fingerprintHash, ignored.log, { merge: last, fallback: 'sha256' }),
  forceCommand: row('ForceCommand', plainCommand, 'the command of every session', { fallback: 'none' }),
  gatewayPorts: row(
    'GatewayPorts',
    choices(['clientspecified', 'clientspecified'], ['yes', 'yes'], ['no', 'no']),
    'gatewayPorts',
    { fallback: 'no' },
  ),
  gssapiAuthentication: row('GSSAPIAuthentication', yesNo, ignored.gssapi, { fallback: false }),
  gssapiCleanupCredentials: global('GSSAPICleanupCredentials', yesNo, ignored.gssapi, {
    aliases: ['GSSAPICleanupCreds'],
    fallback: true,
  }),
  gssapiKexAlgorithms: global('GSSAPIKexAlgorithms', algorithms, ignored.gssapi),
  gssapiKeyExchange: global('GSSAPIKeyExchange', yesNo, ignored.gssapi, { fallback: false }),
  gssapiStoreCredentialsOnRekey: global('GSSAPIStoreCredentialsOnRekey', yesNo, ignored.gssapi, { fallback: false }),
  gssapiStrictAcceptorCheck: global('GSSAPIStrictAcceptorCheck', yesNo, ignored.gssapi, { fallback: true }),
  hostbasedAcceptedAlgorithms: row('HostbasedAcceptedAlgorithms', algorithms, ignored.hostbased, {
    aliases: ['HostbasedAcceptedKeyTypes'],
  }),
  hostbasedAuthentication: row('HostbasedAuthentication', yesNo, ignored.hostbased, { fallback: false }),
  hostbasedUsesNameFromPacketOnly: row('HostbasedUsesNameFromPacketOnly', yesNo, ignored.hostbased, {
    fallback: false,
  }),
  hostCertificate: global('HostCertificate', oneOfList(), 'an error', { merge: append }),
  hostKey: global('HostKey', oneOfList(), 'serverHostKeys', { aliases: ['HostDSAKey'], merge: append }),
  hostKeyAgent: global('HostKeyAgent', word, 'an error', { fallback: 'none' }),
  hostKeyAlgorithms: global('HostKeyAlgorithms', algorithms, 'serverHostKeyAlgs'),
  ignoreRhosts: row(
    'IgnoreRhosts',
    choices(['yes', 'yes'], ['no', 'no'], ['shosts-only', 'shosts-only']),
    ignored.hostbased,
    { fallback: 'yes' },
  ),
  ignoreUserKnownHosts: global('IgnoreUserKnownHosts', yesNo, ignored.hostbased, { fallback: false }),
  ipQos: row('IPQoS', ipQos, 'ignored: packets keep the system’s class', {
    merge: last,
    fallback: ['lowdelay', 'throughput'],
  }),
  kbdInteractiveAuthentication: row('KbdInteractiveAuthentication', yesNo, 'the login methods', {
    aliases: ['ChallengeResponseAuthentication', 'SkeyAuthentication'],
    fallback: true,
  }),
  kerberosAuthentication: row('KerberosAuthentication', yesNo, ignored.kerberos, { fallback: false }),
  kerberosOrLocalPasswd: global('KerberosOrLocalPasswd', yesNo, ignored.kerberos, { fallback: true }),
  kerberosTicketCleanup: global('KerberosTicketCleanup', yesNo, ignored.kerberos, { fallback: true }),
  kexAlgorithms: global('KexAlgorithms', algorithms, 'kexAlgs'),
  listenAddress: global('ListenAddress', listenAddress, 'host, port', { merge: append }),
  loginGraceTime: global('LoginGraceTime', seconds, 'loginTimeout', { fallback: 120 }),
  logLevel: row('LogLevel', logLevel, ignored.log, { fallback: 'INFO' }),
  logVerbose: row('LogVerbose', wordsOrNone, ignored.log),
  macs: global('MACs', algorithms, 'macAlgs'),
  maxAuthTries: row('MaxAuthTries', integer, 'maxAuthTries', { fallback: 6 }),
  maxSessions: row('MaxSessions', integer, 'maxSessions', { fallback: 10 }),
  maxStartups: global('MaxStartups', maxStartups, 'maxStartups', {
    merge: last,
    fallback: { begin: 10, rate: 30, full: 100 },
  }),
  moduliFile: global('ModuliFile', word, 'ignored: groups are built in', { fallback: '/etc/ssh/moduli' }),
  passwordAuthentication: row('PasswordAuthentication', yesNo, 'the login methods', { fallback: true }),
  permitEmptyPasswords: row('PermitEmptyPasswords', yesNo, 'an empty password is refused', { fallback: false }),
  permitListen: row('PermitListen', permitListen, 'permitListen', { fallback: ['any'] }),
  permitOpen: row('PermitOpen', permitOpen, 'permitOpen', { fallback: ['any'] }),
  permitRootLogin: row(
    'PermitRootLogin',
    choices(
      ['prohibit-password', 'without-password', 'prohibit-password'],
      ['forced-commands-only', 'forced-commands-only'],
      ['yes', 'yes'],
      ['no', 'no'],
    ),
    'who may log in',
    { fallback: 'prohibit-password' },
  ),
  permitTty: row('PermitTTY', yesNo, 'allowPty', { fallback: true }),
  permitTunnel: row(
    'PermitTunnel',
    constants('no', 'point-to-point', 'ethernet', 'yes'),
    'which tunnels are asked about',
    {
      fallback: 'no',
    },
  ),
  permitUserEnvironment: global('PermitUserEnvironment', userEnvironment, 'the environment of keys', {
    fallback: false,
  }),
  permitUserRc: row('PermitUserRC', yesNo, ignored.fewer, { fallback: true }),
  perSourceMaxStartups: global('PerSourceMaxStartups', integerOrNone, 'perSourceMaxStartups', {
    merge: last,
    fallback: Number.POSITIVE_INFINITY,
  }),
  perSourceNetBlockSize: global('PerSourceNetBlockSize', netBlockSize, 'perSourceNetBlockSize', {
    merge: last,
    fallback: '32:128',
  }),
  pidFile: global('PidFile', word, ignored.system, { fallback: '/run/sshd.pid' }),
  port: global('Port', oneOf(port), 'port', { merge: append, fallback: [22] }),
  printLastLog: global('PrintLastLog', yesNo, ignored.system, { fallback: true }),
  printMotd: global('PrintMotd', yesNo, ignored.system, { fallback: true }),
  pubkeyAcceptedAlgorithms: row('PubkeyAcceptedAlgorithms', algorithms, 'signatureAlgs', {
    aliases: ['PubkeyAcceptedKeyTypes'],
  }),
  pubkeyAuthentication: row('PubkeyAuthentication', yesNo, 'the login methods', {
    aliases: ['DSAAuthentication'],
    fallback: true,
  }),
  pubkeyAuthOptions: row('PubkeyAuthOptions', pubkeyAuthOptions, 'an error', { fallback: [] }),
  rekeyLimit: row('RekeyLimit', rekeyLimit, 'rekeyBytes, rekeyInterval', {
    merge: firstLimits,
    fallback: { bytes: 0, seconds: 0 },
  }),
  requiredRsaSize: row('RequiredRSASize', integer, 'requiredRsaSize', { fallback: 1024 }),
  revokedKeys: row('RevokedKeys', word, 'revoked keys', { fallback: 'none' }),
  securityKeyProvider: global('SecurityKeyProvider', word, 'ignored: hardware keys are the client’s', {
    fallback: 'internal',
  }),
  setEnv: row('SetEnv', assignments, 'the environment of sessions'),
  streamLocalBindMask: row('StreamLocalBindMask', mode, 'streamLocalBindMask', { merge: last, fallback: 0o177 }),
  streamLocalBindUnlink: row('StreamLocalBindUnlink', yesNo, 'streamLocalBindUnlink', { fallback: false }),
  strictModes: global('StrictModes', yesNo, 'authorizedClientKeys', { fallback: true }),
  subsystem: row('Subsystem', subsystem, 'sftpFactory', { merge: firstOfEachName }),
  syslogFacility: global('SyslogFacility', syslogFacility, ignored.log, { fallback: 'AUTH' }),
  tcpKeepAlive: global('TCPKeepAlive', yesNo, 'tcpKeepalive', { aliases: ['KeepAlive'], fallback: true }),
  trustedUserCaKeys: row('TrustedUserCAKeys', word, 'an error', { fallback: 'none' }),
  unusedConnectionTimeout: row('UnusedConnectionTimeout', timeoutOrNone, 'a warning', { fallback: 0 }),
  useDns: global('UseDNS', yesNo, 'the host names of clients', { fallback: false }),
  usePam: global('UsePAM', yesNo, 'ignored: passwords are the builder’s to judge', { fallback: false }),
  versionAddendum: global('VersionAddendum', addendum, 'serverVersion', { fallback: '' }),
  x11DisplayOffset: row('X11DisplayOffset', integer, 'x11DisplayOffset', { fallback: 10 }),
  x11Forwarding: row('X11Forwarding', yesNo, 'x11Forwarding', { fallback: false }),
  x11UseLocalhost: row('X11UseLocalhost', yesNo, 'x11UseLocalhost', { fallback: true }),
  xAuthLocation: global('XAuthLocation', word, 'ignored: Xauthority files are written without it', {
    fallback: '/usr/bin/xauth',
  }),
} as const

/** What files say, by keyword. What no file says is absent. */
export type ServerConfigValues = ValuesOf<typeof serverKeywords>

export type ServerKeyword = keyof typeof serverKeywords

const criteria = new Map<string, CriterionKind>([
  ['all', 'all'],
  ['user', 'value'],
  ['group', 'value'],
  ['host', 'value'],
  ['address', 'value'],
  ['localaddress', 'value'],
  ['localport', 'value'],
  ['canonical', 'flag'],
  ['final', 'flag'],
  ['exec', 'value'],
])

/** sshd_config. */
export const serverGrammar: ConfigGrammar = {
  keywords: keywordsByName(serverKeywords),
  obsolete: new Set(
    [
      'protocol pamauthenticationviakbdint serverkeybits keyregenerationinterval rhostsauthentication checkmail',
      'rhostsrsaauthentication rsaauthentication permitblacklistedkeys uselogin verifyreversemapping',
      'reversemappingcheck authorizedkeysfile2 useprivilegeseparation kerberosgetafstoken kerberostgtpassing',
      'afstokenpassing gssusesessionccache gssapiusesessioncredcache',
    ].flatMap((names) => names.split(' ')),
  ),
  criteria,
  criteriaBeforeAll: 0,
  hasHost: false,
  refusesUnknown: true,
  checkCriterion({ name, argument = '' }) {
    if (name === 'localport') parsePort(argument)
    const fault = name === 'address' || name === 'localaddress' ? faultOfAddressList(argument) : undefined
    if (fault !== undefined) throw new ValueFault(`"${name}" has ${fault}`)
  },
}

/** One value of a list that comes together over lines. */
function oneOf<T>(kind: ValueKind<T>): ValueKind<readonly T[]> {
  return {
    read(line) {
      const value = kind.read(line)
      return value === undefined ? undefined : [value]
    },
    print: (values) => values.flatMap((value) => kind.print(value)),
  }
}

function oneOfList(): ValueKind<readonly string[]> {
  return oneOf(word)
}

/** Names of files, of which `none` may be one. */
function filesOrDefault(): ValueKind<readonly string[]> {
  return { read: wordList.read, print: (values) => [values.join(' ')] }
}

function last<T>(_earlier: T, later: T): T {
  return later
}

/** Bytes and time are two values on one line. */
function firstLimits(earlier: RekeyLimitValue, later: RekeyLimitValue): RekeyLimitValue {
  return { bytes: earlier.bytes ?? later.bytes, seconds: earlier.seconds ?? later.seconds }
}
