/** Joins a program and all of our code that it needs into one file: Node starts it in a fraction of the time. */

import { rolldown } from 'rolldown'

/**
 * Writes a program that needs nothing but Node.
 * @param entry its first source file
 * @param file where it goes; CommonJS, which Node starts sooner than a module
 * @throws Error when something is not found, or would have to be loaded from elsewhere
 */
export async function bundleProgram(entry: string, file: string): Promise<void> {
  await using bundle = await rolldown({
    input: entry,
    platform: 'node',
    resolve: { conditionNames: ['@ssh/source', 'import', 'node'] },
  })
  const { output } = await bundle.write({ file, format: 'cjs', codeSplitting: false, minify: true })
  const [program, ...others] = output
  const foreign = program.imports.filter((name) => !name.startsWith('node:'))
  if (others.length > 0 || foreign.length > 0) {
    throw new Error(`${entry} cannot be one file: it needs ${[...others.map(({ fileName }) => fileName), ...foreign]}`)
  }
}
