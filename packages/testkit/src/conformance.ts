/** Suites that pin a contract: an implementation runs them in its own tests. Needs vitest, so it is a subpath. */

export { byteChannelConformance, type ConformancePair } from './conformance/byte-channel.js'
