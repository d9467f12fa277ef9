/** What sshd_config needs to know of a user: home, number, groups. */

import { z } from 'zod'
import { OptionsError } from '../errors.js'
import { findSystemUser } from '../io/system-users.js'

const factsSchema = z.object({
  /** Where `%h` and relative paths of AuthorizedKeysFile are. */
  homeDirectory: z.string().min(1).optional(),
  /** `%U`; 0 is root for PermitRootLogin, whatever the name. */
  uid: z.int().min(0).optional(),
  /** Names of groups, for AllowGroups, DenyGroups and Match Group. */
  groups: z.array(z.string()).readonly().optional(),
})

/** What is known of a user. */
export type UserFacts = z.output<typeof factsSchema>

/** Finds a user; undefined when there is none of the name. */
export type UserLookup = (username: string) => UserFacts | undefined | Promise<UserFacts | undefined>

/**
 * Asks the builder, or the system's own files where there is no builder's function.
 * @throws OptionsError when what comes back is no such thing; what the function throws
 */
export async function lookUpUser(lookup: UserLookup | undefined, username: string): Promise<UserFacts | undefined> {
  const found = await (lookup ?? findSystemUser)(username)
  if (found === undefined || found === null) return undefined
  const parsed = factsSchema.safeParse(found)
  if (parsed.success) return parsed.data
  throw new OptionsError('userLookup must return undefined or { homeDirectory, uid, groups }')
}
