/** Reason codes and their names. */

/** SSH_DISCONNECT_* (RFC 4253 §11.1). */
export const disconnectReasons = {
  hostNotAllowedToConnect: 1,
  protocolError: 2,
  keyExchangeFailed: 3,
  macError: 5,
  compressionError: 6,
  serviceNotAvailable: 7,
  protocolVersionNotSupported: 8,
  hostKeyNotVerifiable: 9,
  connectionLost: 10,
  byApplication: 11,
  tooManyConnections: 12,
  authCancelledByUser: 13,
  noMoreAuthMethodsAvailable: 14,
  illegalUserName: 15,
} as const

/** SSH_OPEN_* (RFC 4254 §5.1). */
export const openFailureReasons = {
  administrativelyProhibited: 1,
  connectFailed: 2,
  unknownChannelType: 3,
  resourceShortage: 4,
} as const

/** Names of services (RFC 4250 §4.7). */
export const services = { userauth: 'ssh-userauth', connection: 'ssh-connection' } as const

/** The name of a reason code, or the number itself when nobody named it. */
export function reasonName(reasons: Readonly<Record<string, number>>, code: number): string {
  for (const [name, number] of Object.entries(reasons)) if (number === code) return name
  return String(code)
}
