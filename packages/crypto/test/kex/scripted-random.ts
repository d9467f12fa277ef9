import type { RandomSource } from '../../src/index.js'

/** A source that gives the draws it was told, in order, and nothing else. */
export function scriptedRandom(...draws: Uint8Array[]): RandomSource {
  return {
    bytes(length) {
      const draw = draws.shift()
      if (draw?.length !== length) throw new Error(`${length} bytes were asked for, the script has ${draw?.length}`)
      return Uint8Array.from(draw)
    },
  }
}
