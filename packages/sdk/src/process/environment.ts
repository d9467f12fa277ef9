/** The variables that a command is sent. */

/**
 * Those of this process that `sendEnv` names, and `env`, which goes first.
 * @param sendEnv names, in which `*` stands for any text and `?` for any character; one text may hold several
 * @param own this process's variables
 */
export function environmentOf(
  env: Readonly<Record<string, string>> = {},
  sendEnv: string | readonly string[] = [],
  own: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, string>> {
  const patterns = [sendEnv]
    .flat()
    .flatMap((names) => names.split(/[\s,]+/))
    .filter((name) => name !== '')
    .map(toPattern)
  const sent = Object.entries(own).filter(
    (variable): variable is [string, string] =>
      variable[1] !== undefined && patterns.some((pattern) => pattern.test(variable[0])),
  )
  return Object.freeze(Object.fromEntries([...sent, ...Object.entries(env)]))
}

/** @param name in which `*` stands for any text and `?` for any character */
export function toPattern(name: string): RegExp {
  const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's')
}
