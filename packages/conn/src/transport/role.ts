/** Which end of the connection this is. */
export type Role = 'client' | 'server'
