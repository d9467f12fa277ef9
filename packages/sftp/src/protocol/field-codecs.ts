/** Fields that some versions of SFTP lay out otherwise than others do. */

import type { Codec } from '@ssh/wire'
import { type OpenAccess, toOpenAccess, toOpenFlags } from './open-access.js'

/** A field with a value for when the sender has nothing to say. */
export function orElse<T>(codec: Codec<T>, fallback: T): Codec<T | undefined> {
  return {
    typeName: codec.typeName,
    read: (reader) => codec.read(reader),
    write: (writer, value) => codec.write(writer, value ?? fallback),
  }
}

/** Bytes behind the last field, to be ignored. */
export const excess: Codec<undefined> = {
  typeName: 'bytes to the end, ignored',
  read: (reader) => void reader.readRest(),
  write: () => {},
}

/**
 * The last string of a message, whatever is behind it. pkg/sftp 1.13.5 and before (rclone 1.60) announces what there is to
 * write, and sends the rest of its buffer along; OpenSSH does not look at it either.
 */
export const lastString: Codec<Uint8Array> = {
  typeName: 'string',
  read(reader) {
    const value = reader.readString()
    reader.readRest()
    return value
  },
  write: (writer, value) => void writer.writeString(value),
}

/** How a file is opened, as versions 3 and 4 say it. @throws SftpError `ENOTSUP` for what they cannot say */
export const openFlagsField: Codec<number | OpenAccess> = {
  typeName: 'uint32',
  read: (reader) => reader.readUint32(),
  write: (writer, value) => void writer.writeUint32(toOpenFlags(value)),
}

/** How a file is opened, as versions 5 and 6 say it. */
export const openAccessField: Codec<number | OpenAccess> = {
  typeName: 'uint32 desired-access, uint32 flags',
  read: (reader) => ({ desiredAccess: reader.readUint32(), flags: reader.readUint32() }),
  write(writer, value) {
    const { desiredAccess, flags } = toOpenAccess(value)
    writer.writeUint32(desiredAccess).writeUint32(flags)
  },
}
