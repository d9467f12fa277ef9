/** The version of this SDK, as the peer sees it in our identification string (RFC 4253 §4.2). */
export const softwareVersion = 'SshSdk_0.1.0'
