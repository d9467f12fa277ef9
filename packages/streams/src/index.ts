/** The only place where Node and web streams meet a ByteChannel. */

export { type CollectOptions, Collector, collect, defaultMaxBuffer, maxBufferError } from './collect.js'
export { type DuplexOptions, toDuplex } from './duplex.js'
export { StreamError, type StreamErrorCode } from './errors.js'
export { type FromStreamsOptions, fromDuplex, fromStreams } from './from-duplex.js'
export { iterate } from './iterate.js'
export { type LinesOptions, lines } from './lines.js'
export { mergeSources } from './merge.js'
export { ByteReadable, defaultHighWaterMark, ignoreError, type ReadableOptions, toReadable } from './readable.js'
export { type Stdio, type StdioOptions, toStdio } from './stdio.js'
export { toReadableStream, toWebStreams, type WebStreams } from './web.js'
export { ByteWritable, toWritable, type WritableOptions } from './writable.js'
