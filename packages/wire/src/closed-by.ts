import type { ByteChannel } from './byte-channel.js'

/** `channel`, closed by `close` in place of its own method: where closing means more to those who hold it. */
export function closedBy(channel: ByteChannel, close: () => void): ByteChannel {
  return {
    ...(channel.copiesChunks !== undefined && { copiesChunks: channel.copiesChunks }),
    ...('bufferedBytes' in channel && {
      get bufferedBytes() {
        return channel.bufferedBytes ?? 0
      },
    }),
    get isWindowLimited() {
      return channel.isWindowLimited === true
    },
    attach: (handlers) => channel.attach(handlers),
    release: (byteCount) => channel.release(byteCount),
    write: (chunk) => channel.write(chunk),
    end: () => channel.end(),
    close,
    abort: (error) => channel.abort(error),
  }
}
