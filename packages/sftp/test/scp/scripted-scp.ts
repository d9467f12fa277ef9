/** The other end of an SCP channel, which says what a test wants and remembers what it was told. */

import { type MemoryChannel, type MemoryChannelOptions, memoryChannelPair } from '@ssh/testkit'

export interface ScriptedScp {
  /** For the side that is tested. */
  readonly channel: MemoryChannel
  /** Everything that was written to the script so far, as latin1. */
  readonly heard: () => string
  readonly far: MemoryChannel
}

/**
 * Says all of `text` at once, without waiting for answers, and ends.
 * @param text as latin1: each character is a byte
 */
export function saying(text: string, options: MemoryChannelOptions & { readonly stays?: boolean } = {}): ScriptedScp {
  const { stays = false, ...channelOptions } = options
  const [channel, far] = memoryChannelPair(channelOptions)
  const heard = listen(far)
  if (text !== '') far.write(Buffer.from(text, 'latin1'))
  if (!stays) far.end()
  return { channel, far, heard }
}

/**
 * Answers what it hears: `answer` gets all that has come since it answered last, and returns what to say; undefined waits
 * for more.
 */
export function answering(
  answer: (heard: string, far: MemoryChannel) => string | undefined,
  options: MemoryChannelOptions = {},
): ScriptedScp {
  const [channel, far] = memoryChannelPair(options)
  let pending = ''
  const heard = listen(far, (text) => {
    pending += text
    const said = answer(pending, far)
    if (said === undefined) return
    pending = ''
    if (said !== '') far.write(Buffer.from(said, 'latin1'))
  })
  return { channel, far, heard }
}

function listen(far: MemoryChannel, onText: (text: string) => void = () => {}): () => string {
  let all = ''
  far.attach({
    onData(chunk) {
      const text = Buffer.from(chunk).toString('latin1')
      all += text
      far.release(chunk.length)
      onText(text)
    },
  })
  return () => all
}
