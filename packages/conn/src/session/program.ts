/** What runs in a session: RFC 4254 §6.5. One session runs one program. */

/** The user's shell, a command for it, or a subsystem such as `sftp`. */
export type Program<Command = Uint8Array> =
  | { readonly type: 'shell' }
  | { readonly type: 'exec'; readonly command: Command }
  | { readonly type: 'subsystem'; readonly name: string }
