/** One path followed from another, as both sides do it: draft-ietf-secsh-filexfer-13 §8.9. */

/** `next` seen from `path`; an absolute one starts anew. */
export function composePath(path: string, next: string): string {
  if (next.startsWith('/') || path === '') return next
  return path.endsWith('/') ? path + next : `${path}/${next}`
}
