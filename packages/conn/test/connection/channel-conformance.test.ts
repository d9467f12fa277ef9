import { byteChannelConformance } from '@ssh/testkit/conformance'
import { channelPair } from '../mux-pair.js'

const windowSize = 64 * 1024

byteChannelConformance('a channel', () => {
  const limits = { initialWindowSize: windowSize, maximumWindowSize: windowSize }
  const pair = channelPair({ limits }, { limits })
  return { ends: [pair.local, pair.remote], windowSize, pump: () => pair.flow() }
})
