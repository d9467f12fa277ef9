/** Keywords of ssh_config: one row each. ssh_config(5) of OpenSSH 9. */

import type { CriterionKind } from './config-match.js'
import { appendNew, type ConfigGrammar, type KeywordRow, keywordsByName, type ValuesOf } from './config-model.js'
import {
  algorithms,
  assignments,
  choices,
  command,
  constants,
  fingerprintHash,
  integer,
  logLevel,
  mode,
  port,
  type RekeyLimitValue,
  rekeyLimit,
  secondsOrNone,
  strictYesNo,
  syslogFacility,
  ValueFault,
  type ValueKind,
  variableNames,
  word,
  wordsOrNone,
  yesNo,
} from './config-values.js'
import { forwarding } from './forward-spec.js'
import { parseCidr } from './ip-address.js'
import { matchesPattern } from './patterns.js'
import {
  addKeysToAgent,
  agentSocket,
  channelTimeouts,
  controlPersist,
  domains,
  escapeChar,
  ipQos,
  jumps,
  keystrokeInterval,
  permittedCnames,
  permittedDestinations,
  positiveInteger,
  tunnelDevice,
  withoutTakenBack,
  yesNoOrPath,
} from './ssh-config-values.js'

function row<T>(
  name: string,
  kind: ValueKind<T>,
  becomes: string,
  facts: Omit<KeywordRow<NoInfer<T>>, 'name' | 'kind' | 'becomes'> = {},
): KeywordRow<T> {
  return { name, kind, becomes, ...facts }
}

/** Tokens of most keywords. */
const allLetters = 'CdhijkLlnpru'
const path = { letters: allLetters, hasVariables: true, hasHome: true } as const

const ignored = {
  log: 'ignored: a logger is handed in',
  terminal: 'ignored: the terminal is the caller’s',
  control: 'ignored: connections are shared by sharing the object',
  gssapi: 'ignored: there is no GSSAPI here',
  hostbased: 'ignored: there is no host-based login here',
  certificates: 'ignored: there are no certificates here',
  hardware: 'ignored: there are no hardware keys here',
  tunnel: 'ignored: there are no network tunnels here',
  local: 'ignored: nothing is run on this machine after connecting',
  batch: 'ignored: nothing asks at a terminal',
} as const

export const clientKeywords = {
  addKeysToAgent: row('AddKeysToAgent', addKeysToAgent, 'addKeysToAgent', { fallback: { mode: 'no', seconds: 0 } }),
  addressFamily: row('AddressFamily', constants('any', 'inet', 'inet6'), 'family', {
    fallback: 'any',
  }),
  batchMode: row('BatchMode', yesNo, ignored.batch, { fallback: false }),
  bindAddress: row('BindAddress', word, 'localAddress'),
  bindInterface: row('BindInterface', word, 'localAddress'),
  canonicalDomains: row('CanonicalDomains', domains, 'the host name', { fallback: [] }),
  canonicalizeFallbackLocal: row('CanonicalizeFallbackLocal', yesNo, 'the host name', { fallback: true }),
  canonicalizeHostname: row(
    'CanonicalizeHostname',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no'], ['always', 'always']),
    'the host name',
    { fallback: 'no' },
  ),
  canonicalizeMaxDots: row('CanonicalizeMaxDots', integer, 'the host name', { fallback: 1 }),
  canonicalizePermittedCnames: row('CanonicalizePermittedCNAMEs', permittedCnames, 'the host name', { fallback: [] }),
  caSignatureAlgorithms: row('CASignatureAlgorithms', algorithms, ignored.certificates),
  certificateFile: row('CertificateFile', list(word), ignored.certificates, { merge: appendNew, expands: path }),
  channelTimeout: row('ChannelTimeout', channelTimeouts, 'ignored: channels have no time limit here', { fallback: [] }),
  checkHostIp: row('CheckHostIP', yesNo, 'ignored: addresses are not looked up in known_hosts', { fallback: false }),
  ciphers: row('Ciphers', algorithms, 'encryptionAlgs'),
  clearAllForwardings: row('ClearAllForwardings', yesNo, 'forwards', { fallback: false }),
  compression: row('Compression', strictYesNo, 'compressionAlgs', { fallback: false }),
  connectionAttempts: row('ConnectionAttempts', positiveInteger, 'connectionAttempts', { fallback: 1 }),
  connectTimeout: row('ConnectTimeout', secondsOrNone, 'connectTimeout'),
  controlMaster: row(
    'ControlMaster',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no'], ['auto', 'auto'], ['ask', 'ask'], ['autoask', 'autoask']),
    ignored.control,
    { fallback: 'no' },
  ),
  controlPath: row('ControlPath', word, ignored.control, { expands: path }),
  controlPersist: row('ControlPersist', controlPersist, ignored.control, { fallback: false }),
  dynamicForward: row('DynamicForward', forwarding('dynamic'), 'forwards', { merge: appendNew }),
  enableEscapeCommandline: row('EnableEscapeCommandline', yesNo, ignored.terminal, { fallback: false }),
  enableSshKeysign: row('EnableSSHKeysign', yesNo, ignored.hostbased, { fallback: false }),
  escapeChar: row('EscapeChar', escapeChar, ignored.terminal, { fallback: '~' }),
  exitOnForwardFailure: row('ExitOnForwardFailure', yesNo, 'forwards', { fallback: false }),
  fingerprintHash: row('FingerprintHash', fingerprintHash, ignored.log, { fallback: 'sha256' }),
  forkAfterAuthentication: row('ForkAfterAuthentication', yesNo, ignored.terminal, { fallback: false }),
  forwardAgent: row('ForwardAgent', yesNoOrPath, 'agentForwarding', { fallback: false, expands: path }),
  forwardX11: row('ForwardX11', yesNo, 'x11Forwarding', { fallback: false }),
  forwardX11Timeout: row('ForwardX11Timeout', secondsOrNone, 'x11Forwarding', { fallback: 1200 }),
  forwardX11Trusted: row('ForwardX11Trusted', yesNo, 'x11Forwarding', { fallback: false }),
  gatewayPorts: row('GatewayPorts', yesNo, 'forwards', { fallback: false }),
  globalKnownHostsFile: row('GlobalKnownHostsFile', wordsOrNone, 'knownHosts', {
    fallback: ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'],
  }),
  gssapiAuthentication: row('GSSAPIAuthentication', yesNo, ignored.gssapi, { fallback: false }),
  gssapiClientIdentity: row('GSSAPIClientIdentity', word, ignored.gssapi),
  gssapiDelegateCredentials: row('GSSAPIDelegateCredentials', yesNo, ignored.gssapi, { fallback: false }),
  gssapiKexAlgorithms: row('GSSAPIKexAlgorithms', algorithms, ignored.gssapi),
  gssapiKeyExchange: row('GSSAPIKeyExchange', yesNo, ignored.gssapi, { fallback: false }),
  gssapiRenewalForcesRekey: row('GSSAPIRenewalForcesRekey', yesNo, ignored.gssapi, { fallback: false }),
  gssapiServerIdentity: row('GSSAPIServerIdentity', word, ignored.gssapi),
  gssapiTrustDns: row('GSSAPITrustDns', yesNo, ignored.gssapi, { fallback: false }),
  hashKnownHosts: row('HashKnownHosts', yesNo, 'hashKnownHosts', { fallback: false }),
  hostbasedAcceptedAlgorithms: row('HostbasedAcceptedAlgorithms', algorithms, ignored.hostbased, {
    aliases: ['HostbasedKeyTypes'],
  }),
  hostbasedAuthentication: row('HostbasedAuthentication', yesNo, ignored.hostbased, { fallback: false }),
  hostKeyAlgorithms: row('HostKeyAlgorithms', algorithms, 'serverHostKeyAlgs'),
  hostKeyAlias: row('HostKeyAlias', word, 'hostKeyAlias'),
  hostname: row('Hostname', word, 'the host name', { expands: { letters: 'h' } }),
  identitiesOnly: row('IdentitiesOnly', yesNo, 'identitiesOnly', { fallback: false }),
  identityAgent: row('IdentityAgent', agentSocket, 'agentPath', { expands: path }),
  identityFile: row('IdentityFile', list(word), 'clientKeys', {
    aliases: ['IdentityFile2'],
    merge: appendNew,
    expands: path,
  }),
  ignoreUnknown: row('IgnoreUnknown', word, 'warnings'),
  ipQos: row('IPQoS', ipQos, 'ignored: packets keep the system’s class', { fallback: ['lowdelay', 'throughput'] }),
  kbdInteractiveAuthentication: row('KbdInteractiveAuthentication', yesNo, 'preferredAuth', {
    aliases: ['ChallengeResponseAuthentication', 'SkeyAuthentication', 'TisAuthentication'],
    fallback: true,
  }),
  kbdInteractiveDevices: row('KbdInteractiveDevices', word, 'ignored: the server chooses'),
  kexAlgorithms: row('KexAlgorithms', algorithms, 'kexAlgs'),
  knownHostsCommand: row('KnownHostsCommand', command, 'knownHostsCommand', {
    expands: { letters: `${allLetters}fHIKt`, hasVariables: true },
  }),
  localCommand: row('LocalCommand', command, ignored.local),
  localForward: row('LocalForward', forwarding('local'), 'forwards', {
    merge: appendNew,
    expands: { letters: allLetters, hasVariables: true },
  }),
  logLevel: row('LogLevel', logLevel, ignored.log, { fallback: 'INFO' }),
  logVerbose: row('LogVerbose', wordsOrNone, ignored.log, { fallback: [] }),
  macs: row('MACs', algorithms, 'macAlgs'),
  noHostAuthenticationForLocalhost: row('NoHostAuthenticationForLocalhost', yesNo, 'knownHosts', { fallback: false }),
  numberOfPasswordPrompts: row('NumberOfPasswordPrompts', integer, 'numberOfPasswordPrompts', { fallback: 3 }),
  obscureKeystrokeTiming: row('ObscureKeystrokeTiming', keystrokeInterval, ignored.terminal, { fallback: 20 }),
  passwordAuthentication: row('PasswordAuthentication', yesNo, 'preferredAuth', { fallback: true }),
  permitLocalCommand: row('PermitLocalCommand', yesNo, ignored.local, { fallback: false }),
  permitRemoteOpen: row('PermitRemoteOpen', permittedDestinations, 'forwards', { fallback: ['any'] }),
  pkcs11Provider: row('PKCS11Provider', word, ignored.hardware, { aliases: ['SmartcardDevice'] }),
  port: row('Port', port, 'port', { fallback: 22 }),
  preferredAuthentications: row('PreferredAuthentications', word, 'preferredAuth'),
  proxyCommand: row('ProxyCommand', command, 'proxyCommand', {
    excludedBy: 'proxyJump',
    expands: { letters: 'hnpr', isForShell: true },
  }),
  proxyJump: row('ProxyJump', jumps, 'tunnel', { excludedBy: 'proxyCommand' }),
  proxyUseFdpass: row('ProxyUseFdpass', yesNo, 'an error, when it is yes', { fallback: false }),
  pubkeyAcceptedAlgorithms: row('PubkeyAcceptedAlgorithms', algorithms, 'signatureAlgs', {
    aliases: ['PubkeyAcceptedKeyTypes'],
  }),
  pubkeyAuthentication: row(
    'PubkeyAuthentication',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no'], ['unbound', 'unbound'], ['host-bound', 'host-bound']),
    'preferredAuth',
    { aliases: ['DSAAuthentication'], fallback: 'yes' },
  ),
  rekeyLimit: row('RekeyLimit', rekeyLimit, 'rekeyBytes, rekeyInterval', {
    merge: firstLimits,
    fallback: { bytes: 0, seconds: 0 },
  }),
  remoteCommand: row('RemoteCommand', command, 'the default command of sessions', {
    expands: { letters: allLetters, isForShell: true },
  }),
  remoteForward: row('RemoteForward', forwarding('remote'), 'forwards', {
    merge: appendNew,
    expands: { letters: allLetters, hasVariables: true },
  }),
  requestTty: row(
    'RequestTTY',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no'], ['force', 'force'], ['auto', 'auto']),
    'the default of sessions',
    { fallback: 'auto' },
  ),
  requiredRsaSize: row('RequiredRSASize', integer, 'requiredRsaSize', { fallback: 1024 }),
  revokedHostKeys: row('RevokedHostKeys', word, 'revokedHostKeys', { expands: path }),
  securityKeyProvider: row('SecurityKeyProvider', word, ignored.hardware, { fallback: 'internal' }),
  sendEnv: row('SendEnv', variableNames, 'sendEnv', { merge: withoutRemoved }),
  serverAliveCountMax: row('ServerAliveCountMax', integer, 'keepaliveCountMax', { fallback: 3 }),
  serverAliveInterval: row('ServerAliveInterval', secondsOrNone, 'keepaliveInterval', { fallback: 0 }),
  sessionType: row('SessionType', constants('none', 'subsystem', 'default'), 'the default of sessions', {
    fallback: 'default',
  }),
  setEnv: row('SetEnv', assignments, 'env'),
  stdinNull: row('StdinNull', yesNo, ignored.terminal, { fallback: false }),
  streamLocalBindMask: row('StreamLocalBindMask', mode, 'forwards', { fallback: 0o177 }),
  streamLocalBindUnlink: row('StreamLocalBindUnlink', yesNo, 'forwards', { fallback: false }),
  strictHostKeyChecking: row(
    'StrictHostKeyChecking',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no', 'off'], ['ask', 'ask'], ['accept-new', 'accept-new']),
    'hostKeyPolicy',
    { fallback: 'ask' },
  ),
  syslogFacility: row('SyslogFacility', syslogFacility, ignored.log, { fallback: 'USER' }),
  tag: row('Tag', word, 'Match tagged'),
  tcpKeepAlive: row('TCPKeepAlive', yesNo, 'tcpKeepalive', { aliases: ['KeepAlive'], fallback: true }),
  tunnel: row(
    'Tunnel',
    choices(['ethernet', 'ethernet'], ['point-to-point', 'point-to-point', 'yes', 'true'], ['no', 'false', 'no']),
    ignored.tunnel,
    { fallback: 'no' },
  ),
  tunnelDevice: row('TunnelDevice', tunnelDevice, ignored.tunnel, { fallback: 'any:any' }),
  updateHostKeys: row(
    'UpdateHostKeys',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no'], ['ask', 'ask']),
    'updateHostKeys',
  ),
  user: row('User', word, 'username'),
  userKnownHostsFile: row('UserKnownHostsFile', wordsOrNone, 'knownHosts', {
    fallback: ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'],
    expands: path,
  }),
  verifyHostKeyDns: row(
    'VerifyHostKeyDNS',
    choices(['yes', 'true', 'yes'], ['no', 'false', 'no'], ['ask', 'ask']),
    'ignored: names are not trusted',
    { fallback: 'no' },
  ),
  visualHostKey: row('VisualHostKey', yesNo, ignored.terminal, { fallback: false }),
  xAuthLocation: row('XAuthLocation', word, 'x11Forwarding', { fallback: '/usr/bin/xauth' }),
} as const

/** What files say, by keyword. What no file says is absent. */
export type ClientConfigValues = ValuesOf<typeof clientKeywords>

export type ClientKeyword = keyof typeof clientKeywords

const criteria = new Map<string, CriterionKind>([
  ['all', 'all'],
  ['canonical', 'flag'],
  ['final', 'flag'],
  ['exec', 'value'],
  ['host', 'value'],
  ['originalhost', 'value'],
  ['user', 'value'],
  ['localuser', 'value'],
  ['localnetwork', 'value'],
  ['tagged', 'value'],
])

/** ssh_config. */
export const clientGrammar: ConfigGrammar = {
  keywords: keywordsByName(clientKeywords),
  obsolete: new Set(
    [
      'protocol cipher fallbacktorsh globalknownhostsfile2 rhostsauthentication useblacklistedkeys userknownhostsfile2',
      'useroaming usersh useprivilegedport afstokenpassing kerberosauthentication kerberostgtpassing',
      'rsaauthentication rhostsrsaauthentication compressionlevel',
    ].flatMap((names) => names.split(' ')),
  ),
  criteria,
  criteriaBeforeAll: 1,
  hasHost: true,
  refusesUnknown: false,
  checkCriterion({ name, argument = '' }) {
    const isBlocks = name !== 'localnetwork' || argument.split(',').every((block) => parseCidr(block) !== undefined)
    if (!isBlocks) throw new ValueFault('"localnetwork" wants addresses and CIDR blocks')
  },
}

/** A kind whose values add up: each line brings one. */
function list<T>(kind: ValueKind<T>): ValueKind<readonly T[]> {
  return {
    read(line) {
      const value = kind.read(line)
      return value === undefined ? undefined : [value]
    },
    print: (values) => values.flatMap((value) => kind.print(value)),
  }
}

function withoutRemoved(earlier: readonly string[], later: readonly string[]): readonly string[] {
  return withoutTakenBack(earlier, later, matchesPattern)
}

/** Bytes and time are two values on one line. */
function firstLimits(earlier: RekeyLimitValue, later: RekeyLimitValue): RekeyLimitValue {
  return { bytes: earlier.bytes ?? later.bytes, seconds: earlier.seconds ?? later.seconds }
}
