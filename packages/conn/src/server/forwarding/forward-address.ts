/** What a client may name as a place to connect to or to listen on. What it names is checked before anybody is asked. */

/** Longest host name or address: RFC 1035 §2.3.4 has 255 bytes, and an address may have a zone. */
const maximumHostLength = 255
/** No system has longer paths. */
const maximumPathLength = 4096

/**
 * What is wrong with a host and port to connect to; undefined: nothing.
 *
 * A name that ends for the operating system before it ends for a callback (at a NUL) would be two names.
 */
export function faultOfDestination(host: string, port: number): string | undefined {
  if (host === '') return 'no host is named'
  if (port === 0) return 'port 0 cannot be connected to'
  return faultOfListenAddress(host, port)
}

/** What is wrong with an address to listen on, where an empty one means all and port 0 any. */
export function faultOfListenAddress(host: string, port: number): string | undefined {
  if (host.length > maximumHostLength) return 'the host name is too long'
  if (/[\p{Cc}\p{Z}]/u.test(host)) return 'the host name has blanks or control characters'
  return port > 65535 ? `there is no port ${port}` : undefined
}

/** What is wrong with the path of a socket. */
export function faultOfPath(path: string): string | undefined {
  if (path === '') return 'no path is named'
  if (path.length > maximumPathLength) return 'the path is too long'
  if (path.includes('\0')) return 'the path has a NUL'
  return /(?:^|[\\/])\.\.(?:[\\/]|$)/.test(path) ? 'the path has ".."' : undefined
}

/** What is wrong with a path that this process is to use, whose working directory is nobody's business. */
export function faultOfNativePath(path: string): string | undefined {
  return faultOfPath(path) ?? (path.startsWith('/') ? undefined : 'the path is not absolute')
}

/** `true`: every address; `'clientspecified'`: what the client names. */
export type GatewayPorts = boolean | 'clientspecified'

/**
 * Where to listen for a client that named `host`, as sshd's GatewayPorts has it (sshd_config(5)). As in RFC 4254 §7.1
 * an empty host is every address, and `localhost` both loopback addresses.
 * @param host in lower case
 */
export function hostToListenOn(host: string, gatewayPorts: GatewayPorts): string {
  if (gatewayPorts === true) return ''
  // Either family of the loopback may be chosen, whatever the option says.
  if (host === '127.0.0.1' || host === '::1') return host
  if (gatewayPorts === false) return 'localhost'
  return host === '*' ? '' : host
}
