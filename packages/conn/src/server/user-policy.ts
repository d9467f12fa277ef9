/** What sshd_config says about one user of one client: whether, how and to what end they may log in. */

import type { PublicKey } from '@ssh/crypto'
import { isRevoked, readRevokedKeys } from '../client/more-host-keys.js'
import { type AuthorizedKeys, mergeAuthorizedKeys, parseAuthorizedKeys } from '../config/authorized-keys.js'
import { matchesNames } from '../config/config-match.js'
import { isNone } from '../config/config-values.js'
import { type InternalSftp, parseInternalSftp, parseSftpSubsystem } from '../config/internal-sftp.js'
import { withoutMapping } from '../config/ip-address.js'
import { type KeyRestrictions, noRestrictions, parseEndpoint, parseListenEndpoint } from '../config/key-restrictions.js'
import { expandUserPath, isOff, mayLogIn, type ServerUser } from '../config/sshd-config.js'
import type { ServerConfigValues } from '../config/sshd-config-keywords.js'
import { ConfigParseError } from '../errors.js'
import type { TunMode } from '../forwarding/tun-packet.js'
import { readRegularFile } from '../io/files.js'
import { readUserFile, verifiedHostName } from '../io/system-users.js'
import type { Logger } from '../log.js'
import { rsaBits } from '../trust/rsa-bits.js'
import type { RequiredMethods } from '../userauth/auth-decision.js'
import type { AuthMethodName } from '../userauth/auth-order.js'
import type { ServerConfigFile } from './resolve-config.js'
import { lookUpUser, type UserFacts, type UserLookup } from './user-lookup.js'

/** What a configuration says about the user who is logging in. */
export interface UserPolicy {
  /** Whether this user may log in at all. Whoever may not is asked for credentials as others are. */
  readonly mayLogIn: boolean
  readonly methods: ReadonlySet<AuthMethodName>
  /** Lists of methods, one of which must be completed; undefined: any one. */
  readonly requiredMethods: RequiredMethods | undefined
  /** Undefined: not said. */
  readonly permitEmptyPassword: boolean | undefined
  /** Keys that may log in; undefined: not read, as there are others. */
  readonly authorizedKeys: AuthorizedKeys | undefined
  /** Whether a key may log in by itself. */
  accepts(key: PublicKey): boolean
  /** What is left of a key's restrictions, and undefined where they are too few. */
  limit(restrictions: KeyRestrictions): KeyRestrictions | undefined
  /** What the user may do, whatever the key. */
  readonly restrictions: KeyRestrictions
  readonly banner: string | undefined
  /** Directory that is the whole file system of SFTP. */
  readonly sftpRoot: string | undefined
  /** What Subsystem says of SFTP; undefined: nothing that we follow. */
  readonly sftp: InternalSftp | undefined
  /** Tunnels that may be asked for; undefined: not said. */
  readonly tunnels: ReadonlySet<TunMode> | undefined
  /** Names of variables that clients may set, with wildcards. */
  readonly acceptEnv: readonly string[]
}

/** Refuses everything: for when nobody knows what to allow. */
export const closedPolicy: UserPolicy = {
  mayLogIn: false,
  methods: new Set(['publickey', 'keyboard-interactive', 'password']),
  requiredMethods: undefined,
  permitEmptyPassword: false,
  authorizedKeys: { keys: [], warnings: [] },
  accepts: () => false,
  limit: () => undefined,
  restrictions: {
    ...noRestrictions,
    allowPty: false,
    allowPortForwarding: false,
    allowAgentForwarding: false,
    allowX11Forwarding: false,
    allowUserRc: false,
  },
  banner: undefined,
  sftpRoot: undefined,
  sftp: undefined,
  tunnels: new Set(),
  acceptEnv: [],
}

/** Where a client comes from, and came to. */
export interface PolicyClient {
  readonly address: string | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
}

export interface PolicySources {
  readonly config: ServerConfigFile
  readonly userLookup: UserLookup | undefined
  /** Whether the file's keys count; otherwise those of the options do. */
  readonly readsKeys: boolean
  readonly logger: Logger | undefined
}

/**
 * Finds out about a user.
 * @throws ConfigParseError when the user's name could lead to files that were not meant, or a file that decides about the
 *   user cannot be read; what `userLookup` throws
 */
export async function findUserPolicy(
  { config, userLookup, readsKeys, logger }: PolicySources,
  userName: string,
  { address: remote, localAddress: local, localPort }: PolicyClient,
): Promise<UserPolicy> {
  // As sshd: a client of a socket for both families is the IPv4 client that it is.
  const [address, localAddress] = [remote && withoutMapping(remote), local && withoutMapping(local)]
  const facts = await lookUpUser(userLookup, userName)
  const usesNames = config.global.values.useDns === true
  const name = usesNames && address !== undefined ? await verifiedHostName(address) : undefined
  const query = { address, localAddress, localPort, user: userName, groups: facts?.groups, host: name ?? address }
  const { values } = await config.resolve(query)
  const isKnown = !config.asksAboutGroups || facts?.groups !== undefined
  const user: ServerUser = { name: userName, homeDirectory: facts?.homeDirectory, uid: facts?.uid }
  const methods = methodsOf(values, user)
  const required = requiredMethods(values, methods)
  // Whom nothing could let in is asked for what others are.
  const isPossible = methods.size > 0 && required?.length !== 0
  const revoked = isOff(values.revokedKeys) ? undefined : await readRevokedKeys('RevokedKeys', values.revokedKeys ?? '')
  const chroot = isOff(values.chrootDirectory) ? undefined : values.chrootDirectory
  const sftpRoot = chroot === undefined ? undefined : expandUserPath(chroot, 'ChrootDirectory', user)
  if (
    sftpRoot !== undefined &&
    !isOff(values.forceCommand) &&
    parseInternalSftp(values.forceCommand ?? '') === undefined
  ) {
    throw new ConfigParseError(
      'ForceCommand is to run in ChrootDirectory, and no program can be locked in here; only internal-sftp can',
      { details: { keyword: 'ForceCommand' } },
    )
  }
  const sftp = values.subsystem?.find(({ name }) => name === 'sftp')
  return {
    mayLogIn: isPossible && isKnown && mayLogIn(values, query) && !(isRoot(user) && values.permitRootLogin === 'no'),
    methods: isPossible ? methods : closedPolicy.methods,
    requiredMethods: isPossible ? required : undefined,
    permitEmptyPassword: values.permitEmptyPasswords,
    authorizedKeys: readsKeys ? await readKeys(values, user, facts, logger) : undefined,
    accepts: (key) => isLargeEnough(key, values) && !(revoked !== undefined && isRevoked(revoked, key)),
    limit: (restrictions) => limited(restrictions, values, user, sftpRoot !== undefined),
    restrictions: restrictionsOf(values, config),
    banner: isOff(values.banner) ? undefined : await readBanner(values.banner ?? ''),
    sftpRoot,
    sftp: sftp && parseSftpSubsystem(sftp.command),
    tunnels: values.permitTunnel && tunnelsOf.get(values.permitTunnel),
    acceptEnv: values.acceptEnv ?? [],
  }
}

const tunnelsOf = new Map<string, ReadonlySet<TunMode>>([
  ['no', new Set()],
  ['point-to-point', new Set(['tun'])],
  ['ethernet', new Set(['tap'])],
  ['yes', new Set(['tun', 'tap'])],
])

function isRoot({ name, uid }: ServerUser): boolean {
  return name === 'root' || uid === 0
}

export function methodsOf(values: ServerConfigValues, user: ServerUser | undefined): ReadonlySet<AuthMethodName> {
  const isOn: Record<AuthMethodName, boolean> = {
    publickey: values.pubkeyAuthentication ?? true,
    password: values.passwordAuthentication ?? true,
    'keyboard-interactive': values.kbdInteractiveAuthentication ?? true,
  }
  const { permitRootLogin = 'prohibit-password' } = values
  if (user !== undefined && isRoot(user) && permitRootLogin !== 'yes') {
    isOn.password = false
    isOn['keyboard-interactive'] = false
  }
  return new Set((Object.keys(isOn) as AuthMethodName[]).filter((method) => isOn[method]))
}

/**
 * Lists of AuthenticationMethods. One with a method that is off, or that is none here, cannot be completed by anybody and is
 * left out.
 * @returns undefined when there are none at all
 */
export function requiredMethods(
  { authenticationMethods = [] }: ServerConfigValues,
  methods: ReadonlySet<AuthMethodName>,
): RequiredMethods | undefined {
  if (authenticationMethods.length === 0) return undefined
  return authenticationMethods.flatMap((list) => {
    const names = list.split(',').map((name) => name.replace(/:.*$/, ''))
    const known = names.filter((name): name is AuthMethodName => methods.has(name as AuthMethodName))
    return known.length === names.length ? [known] : []
  })
}

function isLargeEnough(key: PublicKey, { requiredRsaSize = 0 }: ServerConfigValues): boolean {
  const bits = rsaBits(key)
  return bits === undefined || bits >= requiredRsaSize
}

async function readKeys(
  values: ServerConfigValues,
  user: ServerUser,
  facts: UserFacts | undefined,
  logger: Logger | undefined,
): Promise<AuthorizedKeys> {
  const { authorizedKeysFile = ['.ssh/authorized_keys', '.ssh/authorized_keys2'], strictModes = true } = values
  const files = await Promise.all(
    authorizedKeysFile
      .filter((path) => !isNone(path))
      .filter((path) => facts?.homeDirectory !== undefined || path.startsWith('/'))
      .map(async (path) => {
        const file = expandUserPath(path, 'AuthorizedKeysFile', user)
        const text = await readUserFile(file, facts?.uid, strictModes, facts?.homeDirectory)
        return parseAuthorizedKeys(text ?? '', file)
      }),
  )
  const keys = mergeAuthorizedKeys(files)
  for (const warning of keys.warnings) logger?.warn?.({ layer: 'auth', event: 'authorized-key-left-out', ...warning })
  return keys
}

/** Variables of keys count only where the file says so, and root may have to have a command. */
function limited(
  restrictions: KeyRestrictions,
  values: ServerConfigValues,
  user: ServerUser,
  isLockedIn: boolean,
): KeyRestrictions | undefined {
  const { permitUserEnvironment = false, permitRootLogin, forceCommand } = values
  const { command } = restrictions
  const needsCommand = isRoot(user) && permitRootLogin === 'forced-commands-only'
  // As sshd: the command of a key, and no other.
  if (needsCommand && command === undefined) return undefined
  // No program of ours is locked in; files are.
  const isItsOwn = command !== undefined && isOff(forceCommand)
  if (isLockedIn && isItsOwn && parseInternalSftp(command) === undefined) return undefined
  const permits = (name: string) =>
    typeof permitUserEnvironment === 'boolean' ? permitUserEnvironment : matchesNames(permitUserEnvironment, name)
  return { ...restrictions, environment: new Map([...restrictions.environment].filter(([name]) => permits(name))) }
}

function restrictionsOf(values: ServerConfigValues, config: ServerConfigFile): KeyRestrictions {
  const { setEnv = [], permitTty = true, disableForwarding = false, forceCommand } = values
  const { allowTcpForwarding, allowStreamLocalForwarding } = values
  // A file that allows displays to some does not allow them to others.
  const saysAnything = config.allValues('x11Forwarding').length > 0
  // Ports and sockets are allowed or forbidden together to one user: what is forbidden of either wins.
  const directions = [allowTcpForwarding, allowStreamLocalForwarding]
  const isNeither = directions.includes('no') || (directions.includes('local') && directions.includes('remote'))
  const opens = endpoints(values.permitOpen, (text) => parseEndpoint('PermitOpen', text))
  const listens = endpoints(values.permitListen, (text) => parseListenEndpoint('PermitListen', text))
  return {
    ...noRestrictions,
    command: isOff(forceCommand) ? undefined : forceCommand,
    environment: new Map(setEnv.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)])),
    allowPty: permitTty,
    allowPortForwarding: !disableForwarding && !isNeither,
    allowAgentForwarding: !disableForwarding && (values.allowAgentForwarding ?? true),
    allowX11Forwarding: !disableForwarding && (values.x11Forwarding ?? !saysAnything),
    permitOpen: directions.includes('remote') ? [] : opens,
    permitListen: directions.includes('local') ? [] : listens,
  }
}

function endpoints<T>(words: readonly string[] | undefined, parse: (text: string) => T): readonly T[] | undefined {
  if (words === undefined || words.includes('any')) return undefined
  return words.filter((text) => text !== 'none').map(parse)
}

async function readBanner(file: string): Promise<string> {
  return (await readRegularFile(file)).toString('utf8')
}
