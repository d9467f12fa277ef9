/** From what ssh_config says to options of a client. */

import { ciphers, compressionAlgorithms, macs, signatureAlgorithms } from '@ssh/crypto'
import { printable } from '@ssh/wire'
import { splitWords } from '../config/config-line.js'
import type { ConfigTokens, Variables } from '../config/config-tokens.js'
import { isNone } from '../config/config-values.js'
import { parseIpAddress } from '../config/ip-address.js'
import { matchesPattern } from '../config/patterns.js'
import type { ClientConfig } from '../config/ssh-config.js'
import { ConfigParseError } from '../errors.js'
import { addressOfInterface } from '../io/config-machine.js'
import { kexMethodNames } from '../transport/kex-methods.js'
import { type AuthMethodName, defaultAuthOrder } from '../userauth/auth-order.js'
import { clientAuthMethods, type ParsedClientOptions } from './client-options.js'
import type { Configured, ConfiguredForwards, ConfiguredSessions } from './configured.js'

/** Options with what ssh_config adds, some of which no option has a word for. */
export interface ResolvedClientOptions extends ParsedClientOptions {
  /** IdentityFile: key files to look at in place of the usual ones. One that is not there is passed over. */
  readonly identityFiles?: readonly string[]
  /** The file that new host keys are written to; null: none. Absent: the first of `knownHosts`, or the usual one. */
  readonly userKnownHostsFile?: string | null
  /** What `%` and a letter stand for. */
  readonly tokens: ConfigTokens
}

/** Something in ssh_config that does less here than it does in OpenSSH. */
export interface ConfigNotice {
  readonly keyword: string
  readonly message: string
}

export interface OptionsFromConfig {
  readonly options: Partial<ResolvedClientOptions>
  readonly configured: Configured
  readonly notices: readonly ConfigNotice[]
}

/**
 * Options that a configuration says; those given in code go before them.
 * @param given those given in code: what they say of trust and login methods keeps others from being looked at
 * @throws ConfigParseError when something cannot be done as it is said, and leaving it out would be less safe
 */
export function optionsFromConfig(config: ClientConfig, given: ParsedClientOptions): OptionsFromConfig {
  const notices: ConfigNotice[] = []
  const notice = (keyword: string, message: string) => void notices.push({ keyword, message })
  const options: Partial<ResolvedClientOptions> = {
    ...login(config, given),
    ...trust(config, given, notice),
    ...route(config, given),
    ...protocol(config, notice),
  }
  if (config.values.certificateFile !== undefined) notice('CertificateFile', 'certificates are not supported yet')
  return { options: withoutUndefined(options), configured: configuredOf(config, given, notice), notices }
}

type Notice = (keyword: string, message: string) => void

function login({ values, variables }: ClientConfig, given: ParsedClientOptions): Partial<ResolvedClientOptions> {
  const { identityFile, identityAgent, forwardAgent, addKeysToAgent } = values
  return {
    ...(identityFile !== undefined && { identityFiles: identityFile.filter((file) => !isNone(file)) }),
    ...(values.identitiesOnly !== undefined && { identitiesOnly: values.identitiesOnly }),
    ...(identityAgent !== undefined &&
      identityAgent !== 'SSH_AUTH_SOCK' && {
        agentPath: isNone(identityAgent) ? null : (socketPath(identityAgent, variables) ?? null),
      }),
    ...(forwardAgent !== undefined && {
      agentForwarding: typeof forwardAgent === 'string' ? (socketPath(forwardAgent, variables) ?? false) : forwardAgent,
    }),
    ...(values.numberOfPasswordPrompts !== undefined && { numberOfPasswordPrompts: values.numberOfPasswordPrompts }),
    ...(addKeysToAgent !== undefined && { addKeysToAgent: lifetimeOf(addKeysToAgent) }),
    ...(given.preferredAuth === undefined && authMethods(values)),
  }
}

/** A path, or the variable that has it; undefined when that is not set. */
function socketPath(text: string, variables: Variables): string | undefined {
  const name = /^\$(\w+)$/.exec(text)?.[1]
  if (name === undefined) return text
  return Object.hasOwn(variables, name) ? variables[name] : undefined
}

function lifetimeOf({
  mode,
  seconds,
}: NonNullable<ClientConfig['values']['addKeysToAgent']>): boolean | 'confirm' | number {
  // Nobody can be asked here before a key is added; before each use the agent can ask.
  if (mode === 'ask' || mode === 'confirm') return 'confirm'
  return mode === 'yes' && seconds > 0 ? seconds * 1000 : mode === 'yes'
}

function authMethods(values: ClientConfig['values']): Partial<ResolvedClientOptions> {
  const { preferredAuthentications } = values
  const isOff: Record<AuthMethodName, boolean> = {
    publickey: values.pubkeyAuthentication === 'no',
    password: values.passwordAuthentication === false,
    'keyboard-interactive': values.kbdInteractiveAuthentication === false,
  }
  if (preferredAuthentications === undefined && !Object.values(isOff).includes(true)) return {}
  const wanted: readonly string[] = preferredAuthentications?.split(',').map((name) => name.trim()) ?? defaultAuthOrder
  const known = wanted.filter((name): name is AuthMethodName => clientAuthMethods.some((method) => method === name))
  return { preferredAuth: known.filter((name) => !isOff[name]) }
}

function trust(config: ClientConfig, given: ParsedClientOptions, notice: Notice): Partial<ResolvedClientOptions> {
  const { values, host } = config
  const { strictHostKeyChecking, userKnownHostsFile, globalKnownHostsFile, updateHostKeys, knownHostsCommand } = values
  if (strictHostKeyChecking === 'no') {
    notice('StrictHostKeyChecking', 'no means accept-new here: a host key that has changed is always refused')
  }
  if (updateHostKeys === 'ask') notice('UpdateHostKeys', 'nobody can be asked here, so ask means no')
  if (values.verifyHostKeyDns === 'yes') notice('VerifyHostKeyDNS', 'the name service is not believed here')
  const policy = strictHostKeyChecking === 'accept-new' || strictHostKeyChecking === 'no' ? 'accept-new' : 'strict'
  const command = knownHostsCommand === undefined ? undefined : splitWords(knownHostsCommand)
  if (command !== undefined) requireCommands('KnownHostsCommand', given)
  return {
    ...(strictHostKeyChecking !== undefined && { hostKeyPolicy: policy }),
    ...((userKnownHostsFile ?? globalKnownHostsFile) !== undefined && knownHostsFiles(config)),
    ...(values.noHostAuthenticationForLocalhost === true &&
      isLocal(host) &&
      values.hostKeyAlias === undefined && {
        knownHosts: null,
      }),
    ...(values.hashKnownHosts !== undefined && { hashKnownHosts: values.hashKnownHosts }),
    ...(updateHostKeys !== undefined && { updateHostKeys: updateHostKeys === 'yes' }),
    ...(values.hostKeyAlias !== undefined && { hostKeyAlias: values.hostKeyAlias }),
    ...(values.revokedHostKeys !== undefined && { revokedHostKeys: values.revokedHostKeys }),
    ...(values.requiredRsaSize !== undefined && { requiredRsaSize: Math.max(1024, values.requiredRsaSize) }),
    ...(command !== undefined && command.length > 0 && { knownHostsCommand: command }),
  }
}

function knownHostsFiles({ values, tokens }: ClientConfig): Partial<ResolvedClientOptions> {
  const home = tokens.get('d') ?? ''
  const {
    userKnownHostsFile = [`${home}/.ssh/known_hosts`, `${home}/.ssh/known_hosts2`],
    globalKnownHostsFile = ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'],
  } = values
  return {
    knownHosts: [...userKnownHostsFile, ...globalKnownHostsFile],
    userKnownHostsFile: userKnownHostsFile[0] ?? null,
  }
}

function isLocal(host: string): boolean {
  const address = parseIpAddress(host)
  if (address === undefined) return /^(?:localhost|.*\.localhost)\.?$/i.test(host)
  return address.length === 4 ? address[0] === 127 : address.every((byte, index) => byte === (index === 15 ? 1 : 0))
}

function route({ values, written }: ClientConfig, given: ParsedClientOptions): Partial<ResolvedClientOptions> {
  const { proxyJump, addressFamily, bindAddress, bindInterface } = values
  const family = addressFamily === 'inet' ? 4 : addressFamily === 'inet6' ? 6 : undefined
  const isRouted = [given.sock, given.tunnel, given.proxyCommand, given.proxy].some((way) => way !== undefined)
  const { proxyCommand } = written
  if (proxyCommand !== undefined && !isRouted) {
    requireCommands('ProxyCommand', given)
    if (values.proxyUseFdpass === true) {
      throw fault('ProxyUseFdpass', 'a program that passes a descriptor on is not supported; use one that passes data')
    }
  }
  return {
    ...(proxyJump !== undefined && { tunnel: proxyJump.join(',') }),
    // Its tokens are replaced where the command is run.
    ...(proxyCommand !== undefined && { proxyCommand }),
    ...(family !== undefined && { family }),
    ...localAddress(bindAddress, bindInterface, family),
    ...(values.tcpKeepAlive !== undefined && { tcpKeepalive: values.tcpKeepAlive }),
    ...(values.connectionAttempts !== undefined && { connectionAttempts: values.connectionAttempts }),
  }
}

function localAddress(
  bindAddress: string | undefined,
  bindInterface: string | undefined,
  family: 4 | 6 | undefined,
): Partial<ResolvedClientOptions> {
  if (bindAddress !== undefined) {
    if (parseIpAddress(bindAddress) !== undefined) return { localAddress: bindAddress }
    throw fault('BindAddress', `"${printable(bindAddress, 128)}" is no numeric address, and names are not looked up`)
  }
  if (bindInterface === undefined) return {}
  const address = addressOfInterface(bindInterface, family)
  if (address !== undefined) return { localAddress: address }
  throw fault('BindInterface', `"${printable(bindInterface, 64)}" is no interface with an address to connect from`)
}

function protocol({ values }: ClientConfig, notice: Notice): Partial<ResolvedClientOptions> {
  const { rekeyLimit, connectTimeout = 0, serverAliveInterval, serverAliveCountMax } = values
  const list = (keyword: string, text: string | undefined, names: readonly string[]) =>
    text === undefined ? undefined : knownAlgorithms(keyword, text, names)
  const compression = values.compression ? compressionAlgorithms.names.filter((name) => name !== 'none') : []
  if (values.compression && compression.length === 0) notice('Compression', 'there is none here yet')
  return {
    kexAlgs: list('KexAlgorithms', values.kexAlgorithms, kexMethodNames),
    encryptionAlgs: list('Ciphers', values.ciphers, ciphers.names),
    macAlgs: list('MACs', values.macs, macs.names),
    serverHostKeyAlgs: list('HostKeyAlgorithms', values.hostKeyAlgorithms, signatureAlgorithms.names),
    signatureAlgs: list('PubkeyAcceptedAlgorithms', values.pubkeyAcceptedAlgorithms, signatureAlgorithms.names),
    ...(compression.length > 0 && { compressionAlgs: [...compression, 'none'] }),
    ...(rekeyLimit?.bytes && { rekeyBytes: rekeyLimit.bytes }),
    ...(rekeyLimit?.seconds && { rekeyInterval: rekeyLimit.seconds * 1000 }),
    ...(connectTimeout > 0 && { connectTimeout: connectTimeout * 1000 }),
    ...(serverAliveInterval !== undefined && { keepaliveInterval: serverAliveInterval * 1000 }),
    ...(serverAliveCountMax !== undefined && { keepaliveCountMax: serverAliveCountMax || neverLost }),
  }
}

/** 0 says that no number of unanswered questions ends a connection. */
const neverLost = 2 ** 31 - 1

/**
 * A list of a file without names and patterns that stand for nothing here: it may have been written for another program.
 * @returns undefined when that leaves the default as it is
 * @throws ConfigParseError when nothing of the list is known, and so nothing would be left to offer
 */
export function knownAlgorithms(keyword: string, list: string, names: readonly string[]): string | undefined {
  const sign = /^[-+^]/.exec(list)?.[0] ?? ''
  const items = list.slice(sign.length).split(',')
  const known = items.filter((item) => names.some((name) => matchesPattern(item, name)))
  if (known.length > 0) return sign + known.join(',')
  if (sign !== '') return undefined
  throw fault(keyword, `none of ${printable(list, 256)} is known here; expected some of ${names.join(', ')}`)
}

function configuredOf(config: ClientConfig, given: ParsedClientOptions, notice: Notice): Configured {
  const { values } = config
  return { sessions: sessionsOf(values, notice), forwards: forwardsOf(values, given) }
}

function sessionsOf(values: ClientConfig['values'], notice: Notice): ConfiguredSessions {
  const { remoteCommand, requestTty, setEnv = [], sendEnv = [] } = values
  const isSubsystem = values.sessionType === 'subsystem'
  const forwardsX11 = values.forwardX11 === true && values.forwardX11Trusted === true
  if (values.forwardX11 === true && !forwardsX11) {
    notice('ForwardX11', 'without ForwardX11Trusted yes nothing is forwarded: programs cannot be held to less here')
  }
  return {
    env: Object.fromEntries(
      setEnv.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)] as const),
    ),
    sendEnv,
    command: isSubsystem ? undefined : remoteCommand,
    subsystem: isSubsystem ? remoteCommand : undefined,
    requestPty: requestTty === 'auto' ? undefined : requestTty,
    forwardsX11,
  }
}

function forwardsOf(values: ClientConfig['values'], given: ParsedClientOptions): ConfiguredForwards {
  const isCleared = given.clearAllForwardings ?? values.clearAllForwardings ?? false
  const specs = (key: 'localForward' | 'remoteForward' | 'dynamicForward') =>
    isCleared ? [] : (values[key] ?? []).flatMap(({ spec }) => spec ?? [])
  const { permitRemoteOpen } = values
  const isAny = permitRemoteOpen === undefined || permitRemoteOpen.some((word) => word.toLowerCase() === 'any')
  return {
    local: specs('localForward'),
    remote: specs('remoteForward'),
    dynamic: specs('dynamicForward'),
    exitOnFailure: values.exitOnForwardFailure ?? false,
    gatewayPorts: values.gatewayPorts ?? false,
    permitRemoteOpen: isAny ? undefined : permitRemoteOpen.filter((word) => !isNone(word)),
    socketMask: values.streamLocalBindMask ?? 0o177,
    unlinksSockets: values.streamLocalBindUnlink ?? false,
  }
}

function requireCommands(keyword: string, { configCommands = true }: ParsedClientOptions): void {
  if (configCommands) return
  throw fault(keyword, 'configCommands is false, so nothing that ssh_config names is run; give the option in code')
}

function fault(keyword: string, why: string): ConfigParseError {
  return new ConfigParseError(`${keyword} of ssh_config: ${why}`, { details: { keyword } })
}

/** Without options that are there and say nothing, which would hide those given in code, or be hidden by them. */
export function withoutUndefined<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O
}
