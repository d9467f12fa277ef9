/** What a user may write to name a proxy. */

/** Ways to ask a proxy for a connection; `socks4a` and `socks5h` let the proxy resolve names. */
export type ProxyProtocol = 'http' | 'socks4' | 'socks4a' | 'socks5' | 'socks5h'

/** The parts of a proxy's address. */
export interface ProxyAddress {
  readonly protocol: ProxyProtocol
  readonly host: string
  readonly port: number
  /** Undefined when none is given. */
  readonly username: string | undefined
  readonly password: string | undefined
}

const defaultPorts: Readonly<Record<ProxyProtocol, number>> = {
  http: 80,
  socks4: 1080,
  socks4a: 1080,
  socks5: 1080,
  socks5h: 1080,
}

/**
 * Takes the address of a proxy apart.
 * @throws TypeError saying what is wrong with it, without repeating it: it may hold a password
 */
export function parseProxyUrl(text: string): ProxyAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const protocol = url?.protocol.slice(0, -1)
  if (url === undefined || protocol === undefined || !isProxyProtocol(protocol)) {
    throw new TypeError(
      'expected http://, socks5://, socks5h://, socks4:// or socks4a://, then [user:password@]host[:port]',
    )
  }
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') {
    throw new TypeError('expected nothing behind host and port of the proxy')
  }
  const host = decode(url.hostname.replace(/^\[(.*)\]$/, '$1'), 'host')
  if (!/^[\p{L}\p{M}\p{N}._:-]+$/u.test(host)) throw new TypeError('expected a host name or address of the proxy')
  const username = url.username === '' ? undefined : decode(url.username, 'user')
  const password = url.password === '' ? undefined : decode(url.password, 'password')
  checkCredentials(protocol, username, password)
  const port = url.port === '' ? defaultPorts[protocol] : Number(url.port)
  if (port === 0) throw new TypeError('expected a port between 1 and 65535')
  return { protocol, host, port, username, password }
}

function isProxyProtocol(text: string): text is ProxyProtocol {
  return text in defaultPorts
}

/** What the protocol cannot say is refused before anything is sent. */
function checkCredentials(protocol: ProxyProtocol, username = '', password = ''): void {
  const isSocks4 = protocol === 'socks4' || protocol === 'socks4a'
  if (isSocks4 && password !== '') throw new TypeError('SOCKS4 has no passwords; use socks5:// or leave it out')
  if (isSocks4 && username.includes('\0')) throw new TypeError('expected a user without NUL')
  // RFC 7617 §2: the first colon ends the user.
  if (protocol === 'http' && username.includes(':')) throw new TypeError('HTTP allows no colon in a user')
  const longest = Math.max(Buffer.byteLength(username), Buffer.byteLength(password))
  // RFC 1929 §2 has one byte for the length; nobody else needs more.
  if (longest > 255) throw new TypeError('expected user and password of at most 255 bytes')
  if (protocol.startsWith('socks5') && password !== '' && username === '') {
    throw new TypeError('SOCKS5 has no password without a user')
  }
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new TypeError(`the percent-encoding of its ${part} is broken`)
  }
}
