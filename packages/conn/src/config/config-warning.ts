/** What a parser tells about a line that it left out. */

/** A line that could not be understood, and therefore counts for nothing. */
export interface ConfigWarning {
  /** Where the text was read from, when there was a file. */
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
  /** What is wrong with the line. */
  readonly message: string
}
