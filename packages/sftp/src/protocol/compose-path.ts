/** Paths followed one from another, as both sides do it: draft-ietf-secsh-filexfer-13 §8.9. */

/** Each of `nexts` seen from what is in front of it; an absolute one starts anew. */
export function composePaths(path: string, nexts: readonly string[]): string {
  let pieces = [path]
  let endsInSlash = path.endsWith('/')
  for (const next of nexts) {
    if (next.startsWith('/') || (pieces.length === 1 && pieces[0] === '')) pieces = [next]
    else pieces.push(endsInSlash ? next : `/${next}`)
    endsInSlash = next === '' ? pieces.at(-1) !== '' || endsInSlash : next.endsWith('/')
  }
  return pieces.join('')
}
