/** What a server says of itself before anybody has logged in. */

import {
  ClientConnection,
  clientOptionsSchema,
  type Destination,
  establishClient,
  PermissionDenied,
  parseOptions,
} from '@ssh/conn'
import { type PublicKey, parsePublicKey } from '@ssh/crypto'
import type { z } from 'zod'

/**
 * Options of `connect` but those about credentials and trust: none is sent, and none is needed. To jump hosts of `tunnel`
 * the user logs in as with `connect`: with the usual keys and files, or as the hop's own options say.
 */
export const probeOptionsSchema = clientOptionsSchema.omit({
  password: true,
  passwordChange: true,
  clientKeys: true,
  agentPath: true,
  agentIdentities: true,
  identitiesOnly: true,
  agentForwarding: true,
  agentFilter: true,
  passphrase: true,
  preferredAuth: true,
  keyboardInteractive: true,
  disableTrivialAuth: true,
  knownHosts: true,
  hostKeyPolicy: true,
  hostKeyFingerprint: true,
  verifyHostKey: true,
  hostKeyAlias: true,
  revokedHostKeys: true,
  knownHostsCommand: true,
  hashKnownHosts: true,
  updateHostKeys: true,
  numberOfPasswordPrompts: true,
  addKeysToAgent: true,
  clearAllForwardings: true,
  signatureAlgs: true,
})

/** Options of {@link getServerHostKey} and {@link getServerAuthMethods}. */
export type ProbeOptions = z.input<typeof probeOptionsSchema>

/** No credentials, and trust in any host key. */
const anonymous = {
  clientKeys: null,
  agentPath: null,
  knownHosts: null,
  revokedHostKeys: null,
  knownHostsCommand: null,
} as const

/**
 * The host key that a server shows: a handshake just far enough to get it, with its signature verified but nothing else.
 * It is the server's only if you can compare it with what the server's owner says.
 *
 * @param options `serverHostKeyAlgs` chooses among the keys of a server that has several
 * @throws ConnectError, TimeoutError, KeyExchangeFailed, ConnectionLost, DisconnectError, ProtocolError, AbortError
 * @throws OptionsError when an option is unknown or of the wrong kind
 * @example
 * console.log((await getServerHostKey('host')).getFingerprint())
 */
export async function getServerHostKey(destination: Destination, options: ProbeOptions = {}): Promise<PublicKey> {
  parseOptions('getServerHostKey', probeOptionsSchema, options)
  let shown: PublicKey | undefined
  const verifyHostKey = ({ blob }: { readonly blob: Uint8Array }): boolean => {
    shown = parsePublicKey(blob)
    // Refusing the key ends the connection right behind it.
    return false
  }
  try {
    await establishClient(destination, { ...options, ...anonymous, verifyHostKey }, options)
  } catch (error) {
    if (shown === undefined) throw error
  }
  return shown as PublicKey
}

/**
 * Authentication methods that a server offers a user, as it answers to a request without any credential. The host key
 * is not checked, as nothing is sent but the user's name.
 *
 * @returns for instance `['publickey', 'password']`; `['none']` when the server lets this user in just so
 * @throws as {@link getServerHostKey}
 */
export async function getServerAuthMethods(
  destination: Destination,
  options: ProbeOptions = {},
): Promise<readonly string[]> {
  parseOptions('getServerAuthMethods', probeOptionsSchema, options)
  try {
    await new ClientConnection(await establishClient(destination, { ...options, ...anonymous }, options)).close()
    return ['none']
  } catch (error) {
    const { serverMethods, jumpHost } = error instanceof PermissionDenied ? error.details : {}
    // A jump host that lets nobody in says nothing about the server behind it.
    if (Array.isArray(serverMethods) && jumpHost === undefined) return serverMethods
    throw error
  }
}
