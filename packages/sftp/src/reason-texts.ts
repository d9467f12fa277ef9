/** Reasons of the system as text, and the error codes they stand for. */

/** What C libraries say (`strerror`), which is how scp and some SFTP servers tell a reason; the first text of a code is ours. */
const texts: readonly (readonly [text: string, code: string])[] = [
  ['No such file or directory', 'ENOENT'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['File exists', 'EEXIST'],
  ['Is a directory', 'EISDIR'],
  ['Not a directory', 'ENOTDIR'],
  ['Directory not empty', 'ENOTEMPTY'],
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['Quota exceeded', 'EDQUOT'],
  ['Read-only file system', 'EROFS'],
  ['File too large', 'EFBIG'],
  ['File name too long', 'ENAMETOOLONG'],
  ['Filename too long', 'ENAMETOOLONG'],
  ['Too many levels of symbolic links', 'ELOOP'],
  ['Symbolic link loop', 'ELOOP'],
  ['Argument list too long', 'E2BIG'],
  ['Too many open files', 'EMFILE'],
  ['No file descriptors available', 'EMFILE'],
  ['Input/output error', 'EIO'],
  ['I/O error', 'EIO'],
  ['Invalid argument', 'EINVAL'],
  ['Text file busy', 'ETXTBSY'],
  ['Device or resource busy', 'EBUSY'],
  ['Resource busy', 'EBUSY'],
  ['Operation not supported', 'ENOTSUP'],
  ['Not supported', 'ENOTSUP'],
  ['not a regular file', 'EINVAL'],
]

const codeOfText: ReadonlyMap<string, string> = new Map(texts.map(([text, code]) => [text.toLowerCase(), code]))
export const textOfCode: ReadonlyMap<string, string> = new Map([...texts].reverse().map(([text, code]) => [code, text]))

/**
 * The code of a text that ends in a reason of the system, perhaps behind a path and a colon; undefined for any other.
 * "Failure" is none.
 */
export function codeOfReason(text: string): string | undefined {
  const reason = /(?:^|: )([^:]+)$/.exec(text)
  return codeOfText.get(reason?.[1]?.trim().replace(/\.$/, '').toLowerCase() ?? '')
}
