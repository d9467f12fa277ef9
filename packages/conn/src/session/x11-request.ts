/** Asking for X11 forwarding: RFC 4254 §6.3.1. */

import type { channelRequests, FieldValues } from '@ssh/wire'

/** Fields of the request. The cookie is a spoofed one: the real one never leaves the client. */
export type X11Request = FieldValues<(typeof channelRequests.rows)['x11-req']['payload']['fields']>
