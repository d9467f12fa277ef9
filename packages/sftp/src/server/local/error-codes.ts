/** What the system said, by code. */

/** Whether `error` bears one of these codes of `fs`. */
export function isOneOf(error: unknown, ...codes: readonly string[]): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && codes.includes(code)
}
