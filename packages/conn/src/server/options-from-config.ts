/** From what sshd_config says to everybody to options of a server; what it says of one user is in `user-policy.ts`. */

import { ciphers, macs, signatureAlgorithms } from '@ssh/crypto'
import { printable } from '@ssh/wire'
import { knownAlgorithms } from '../client/options-from-config.js'
import { parseInternalSftp, parseSftpSubsystem } from '../config/internal-sftp.js'
import { parseIpAddress } from '../config/ip-address.js'
import { isOff } from '../config/sshd-config.js'
import type { ServerKeyword } from '../config/sshd-config-keywords.js'
import { ConfigParseError } from '../errors.js'
import { kexMethodNames } from '../transport/kex-methods.js'
import type { ServerConfigFile } from './resolve-config.js'
import type { ParsedServerConnectionOptions, ParsedServerOptions } from './server-options.js'

/** Something in sshd_config that does less here than it does in OpenSSH. */
export interface ServerConfigNotice {
  readonly keyword: string
  readonly message: string
}

/** Keywords that must be off: ignoring them would change who gets in, or what for. */
const mustBeOff: readonly (readonly [keyword: ServerKeyword, why: string])[] = [
  ['trustedUserCaKeys', 'certificates are not supported yet'],
  ['authorizedPrincipalsFile', 'certificates are not supported yet'],
  ['authorizedPrincipalsCommand', 'certificates are not supported yet'],
  ['hostKeyAgent', 'host keys must be files'],
]

/** Keywords that are the same for all users here: behind Match they would not be followed. */
const onlyForAll = [
  'maxSessions',
  'gatewayPorts',
  'pubkeyAcceptedAlgorithms',
  'streamLocalBindMask',
  'streamLocalBindUnlink',
  'x11UseLocalhost',
  'unusedConnectionTimeout',
] as const satisfies readonly ServerKeyword[]

/** Keywords of which users have no less safety when they are not followed for some, and which are not. */
const ignoredBehindMatch = [
  'clientAliveInterval',
  'clientAliveCountMax',
  'rekeyLimit',
  'x11DisplayOffset',
] as const satisfies readonly ServerKeyword[]

/**
 * Options of connections that a file says; those given in code go before them.
 * @param notice told of what is not followed
 * @throws ConfigParseError when something cannot be done as it is said, and leaving it out would grant more
 */
export function connectionOptionsFromConfig(
  config: ServerConfigFile,
  notice: (notice: ServerConfigNotice) => void,
): Partial<ParsedServerConnectionOptions> {
  const { values } = config.global
  refuseUnsupported(config)
  for (const [keyword, message] of notFollowed(config)) notice({ keyword, message })
  const { rekeyLimit, loginGraceTime, clientAliveInterval, clientAliveCountMax, hostKey } = values
  const list = (keyword: string, text: string | undefined, names: readonly string[]) =>
    text === undefined ? undefined : knownAlgorithms(keyword, text, names)
  return {
    ...(hostKey !== undefined && { serverHostKeys: hostKey }),
    kexAlgs: list('KexAlgorithms', values.kexAlgorithms, kexMethodNames),
    encryptionAlgs: list('Ciphers', values.ciphers, ciphers.names),
    macAlgs: list('MACs', values.macs, macs.names),
    signatureAlgs: list('PubkeyAcceptedAlgorithms', values.pubkeyAcceptedAlgorithms, signatureAlgorithms.names),
    ...(rekeyLimit?.bytes && { rekeyBytes: rekeyLimit.bytes }),
    ...(rekeyLimit?.seconds && { rekeyInterval: rekeyLimit.seconds * 1000 }),
    ...(loginGraceTime !== undefined && { loginTimeout: loginGraceTime * 1000 }),
    ...(clientAliveInterval !== undefined && { keepaliveInterval: clientAliveInterval * 1000 }),
    ...(clientAliveCountMax !== undefined && { keepaliveCountMax: clientAliveCountMax || neverLost }),
    ...(values.maxSessions !== undefined && { maxSessions: values.maxSessions }),
    ...maxAuthTries(config),
    ...(values.unusedConnectionTimeout !== undefined && { idleTimeout: values.unusedConnectionTimeout * 1000 }),
    ...forwarding(config),
  }
}

/** Host key algorithms that a file names, as far as they are known here; undefined: the default. @throws ConfigParseError */
export function hostKeyAlgorithmsFromConfig({ global }: ServerConfigFile): string | undefined {
  const { hostKeyAlgorithms } = global.values
  if (hostKeyAlgorithms === undefined) return undefined
  return knownAlgorithms('HostKeyAlgorithms', hostKeyAlgorithms, signatureAlgorithms.names)
}

/** 0 says that no number of unanswered questions ends a connection. */
const neverLost = 2 ** 31 - 1

/** The least of all: who logs in is not known before the first try. */
function maxAuthTries(config: ServerConfigFile): Partial<ParsedServerConnectionOptions> {
  const all = config.allValues('maxAuthTries')
  return all.length === 0 ? {} : { maxAuthTries: Math.max(1, Math.min(...all)) }
}

/** What is allowed to anybody is allowed here; what each user may not do is taken away from them when they log in. */
function forwarding(config: ServerConfigFile): Partial<ParsedServerConnectionOptions> {
  const { values } = config.global
  const { gatewayPorts, streamLocalBindMask, streamLocalBindUnlink, x11DisplayOffset, x11UseLocalhost } = values
  const agents = config.allValues('allowAgentForwarding')
  const displays = config.allValues('x11Forwarding')
  return {
    ...widest('allowTcpForwarding', config.allValues('allowTcpForwarding')),
    ...widest('allowStreamLocalForwarding', config.allValues('allowStreamLocalForwarding')),
    ...(gatewayPorts !== undefined && {
      gatewayPorts: gatewayPorts === 'clientspecified' ? gatewayPorts : gatewayPorts === 'yes',
    }),
    ...(streamLocalBindMask !== undefined && { streamLocalBindMask }),
    ...(streamLocalBindUnlink !== undefined && { streamLocalBindUnlink }),
    ...(displays.length > 0 && { x11Forwarding: displays.includes(true) }),
    ...(x11DisplayOffset !== undefined && { x11DisplayOffset }),
    ...(x11UseLocalhost !== undefined && { x11UseLocalhost }),
    // Allowed where nothing is said, and then to those of whom nothing is said.
    ...(agents.length > 0 && { agentForwarding: agents.includes(true) || values.allowAgentForwarding !== false }),
  }
}

function widest(
  option: 'allowTcpForwarding' | 'allowStreamLocalForwarding',
  all: readonly ('yes' | 'no' | 'local' | 'remote')[],
): Partial<ParsedServerConnectionOptions> {
  if (all.length === 0) return {}
  const isLocal = all.includes('yes') || all.includes('local')
  const isRemote = all.includes('yes') || all.includes('remote')
  return { [option]: isLocal && isRemote ? true : isLocal ? 'local' : isRemote ? 'remote' : false }
}

function refuseUnsupported(config: ServerConfigFile): void {
  for (const [keyword, why] of mustBeOff) {
    for (const value of config.allValues(keyword)) {
      if (typeof value === 'string' && !isOff(value)) throw fault(config, keyword, why)
    }
  }
  if (config.allValues('hostCertificate').length > 0)
    throw fault(config, 'hostCertificate', 'certificates are not supported yet')
  if (config.allValues('pubkeyAuthOptions').some((options) => options.length > 0)) {
    throw fault(config, 'pubkeyAuthOptions', 'what hardware keys attest is not looked at')
  }
  for (const command of config.allValues('forceCommand'))
    checkSftp(config, 'forceCommand', () => parseInternalSftp(command))
  for (const { name, command } of config.allValues('subsystem').flat()) {
    if (name === 'sftp') checkSftp(config, 'subsystem', () => parseSftpSubsystem(command))
  }
  for (const keyword of onlyForAll) {
    const all = config.allValues(keyword).map((value) => JSON.stringify(value))
    if (new Set(all).size > 1 || (all.length > 0 && config.global.values[keyword] === undefined)) {
      throw fault(config, keyword, 'it holds for all users here, and must not stand behind Match')
    }
  }
}

function checkSftp(config: ServerConfigFile, keyword: ServerKeyword, parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    throw error instanceof ConfigParseError ? fault(config, keyword, error.message) : error
  }
}

function* notFollowed(config: ServerConfigFile): Iterable<readonly [keyword: string, message: string]> {
  const { values } = config.global
  for (const keyword of ignoredBehindMatch) {
    const all = config.allValues(keyword).map((value) => JSON.stringify(value))
    if (new Set(all).size > 1) yield [config.nameOf(keyword), 'behind Match it is not followed: it holds for all users']
  }
  if (config.allValues('authorizedKeysCommand').some((value) => !isOff(value))) {
    yield ['AuthorizedKeysCommand', 'no program is run; validatePublicKey can look keys up']
  }
  if (config.allValues('subsystem').length > 0)
    yield ['Subsystem', 'the option sftpFactory says whether files are served']
  if (config.allValues('channelTimeout').some((timeouts) => timeouts.length > 0)) {
    yield ['ChannelTimeout', 'channels have no time limit here']
  }
  if (values.versionAddendum) yield ['VersionAddendum', 'the option serverVersion says what this server calls itself']
  if (values.tcpKeepAlive === false) yield ['TCPKeepAlive', 'it stays on']
  if (values.hostbasedAuthentication || values.gssapiAuthentication) {
    yield ['HostbasedAuthentication, GSSAPIAuthentication', 'nobody gets in by these here']
  }
}

/**
 * Where a file says to listen.
 * @throws ConfigParseError when it names several ports
 */
export function listeningOptionsFromConfig(config: ServerConfigFile): Partial<ParsedServerOptions> {
  const {
    port: ports = [],
    listenAddress = [],
    addressFamily,
    maxStartups,
    perSourceMaxStartups,
    perSourceNetBlockSize,
  } = config.global.values
  const places = listenAddress.flatMap(({ host, port }) =>
    (port === undefined ? (ports.length > 0 ? ports : [undefined]) : [port]).map((each) => ({ host, port: each })),
  )
  const allPorts = new Set(places.length > 0 ? places.map(({ port }) => port) : ports)
  if (allPorts.size > 1) {
    throw fault(
      config,
      'port',
      `it listens on one port, and ${[...allPorts].join(', ')} are named; start a server for each`,
    )
  }
  const [port] = allPorts
  const family = addressFamily === 'inet' ? '0.0.0.0' : addressFamily === 'inet6' ? '::' : undefined
  const hosts = [...new Set(places.map(({ host }) => host))]
  if (family !== undefined) {
    const other = hosts.find((each) => parseIpAddress(each)?.length !== (addressFamily === 'inet' ? 4 : 16))
    const why = `ListenAddress ${printable(other ?? '', 128)} is no address of ${addressFamily}; name such addresses, or leave it out`
    if (other !== undefined) throw fault(config, 'addressFamily', why)
  }
  const host = hosts.length > 0 ? hosts : family
  const { begin = 0, rate = 0, full = 0 } = maxStartups ?? {}
  return {
    ...(host !== undefined && { host }),
    // As sshd, which has a socket of its own for each family.
    ...([host ?? []].flat().some((each) => each.includes(':')) && { ipv6Only: true }),
    ...(port !== undefined && { port }),
    ...(maxStartups !== undefined && { maxStartups: begin < full ? [begin, rate, full] : full }),
    ...(perSourceMaxStartups !== undefined &&
      Number.isFinite(perSourceMaxStartups) && {
        perSourceMaxStartups: Math.max(1, perSourceMaxStartups),
      }),
    ...(perSourceNetBlockSize !== undefined && { perSourceNetBlockSize: blockSizes(perSourceNetBlockSize) }),
  }
}

function blockSizes(text: string): readonly [v4: number, v6: number] {
  const [v4 = 32, v6 = 128] = text.split(':').map(Number)
  return [v4, v6]
}

function fault(config: ServerConfigFile, keyword: ServerKeyword, why: string): ConfigParseError {
  const name = config.nameOf(keyword)
  return new ConfigParseError(`${name} of ${printable(config.file)}: ${why}`, {
    details: { file: config.file, keyword: name },
  })
}
