/** Users and groups of this machine, from its files (passwd(5), group(5)); those of a directory service are not there. */

import { readFileSync } from 'node:fs'

export class Accounts {
  #users: Fields[] | undefined
  #groups: Fields[] | undefined

  userName(uid: number): string | undefined {
    return this.#allUsers.find(([, , id]) => id === String(uid))?.[0]
  }

  groupName(gid: number): string | undefined {
    this.#groups ??= fieldsOf('/etc/group')
    return this.#groups.find(([, , id]) => id === String(gid))?.[0]
  }

  homeDirectory(username: string): string | undefined {
    return this.#allUsers.find(([name]) => name === username)?.[5]
  }

  get #allUsers(): readonly Fields[] {
    this.#users ??= fieldsOf('/etc/passwd')
    return this.#users
  }
}

type Fields = readonly string[]

/** Empty where there is no such file. */
function fieldsOf(path: string): Fields[] {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    return lines.filter((line) => /^[^#:+-][^:]*:/.test(line)).map((line) => line.split(':'))
  } catch {
    return []
  }
}
