/** Test doubles: what tests, benchmarks and interop runs share. Nothing here is published. */

export { type DelayProxy, type DelayProxyOptions, delayProxy, type ProxyFault } from './delay-proxy.js'
export { FakeClock } from './fake-clock.js'
export { type MemoryChannel, type MemoryChannelOptions, memoryChannelPair } from './memory-channel.js'
export { processorTimeMs } from './processor-time.js'
export { type SeededRandom, seededRandom } from './seeded-random.js'
