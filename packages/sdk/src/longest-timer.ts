/** The longest that a Node timer waits, in milliseconds; it takes more for 1. */
export const longestTimerMs = 0x7fff_ffff
