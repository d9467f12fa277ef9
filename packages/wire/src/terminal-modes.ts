/** Encoded terminal modes: RFC 4254 §8, RFC 8160 (IUTF8). */

import { WireError } from './errors.js'
import { Reader } from './reader.js'
import { Writer } from './writer.js'

/** Opcodes by the POSIX name of the mode. */
export const terminalModeOpcodes = {
  VINTR: 1,
  VQUIT: 2,
  VERASE: 3,
  VKILL: 4,
  VEOF: 5,
  VEOL: 6,
  VEOL2: 7,
  VSTART: 8,
  VSTOP: 9,
  VSUSP: 10,
  VDSUSP: 11,
  VREPRINT: 12,
  VWERASE: 13,
  VLNEXT: 14,
  VFLUSH: 15,
  VSWTCH: 16,
  VSTATUS: 17,
  VDISCARD: 18,
  IGNPAR: 30,
  PARMRK: 31,
  INPCK: 32,
  ISTRIP: 33,
  INLCR: 34,
  IGNCR: 35,
  ICRNL: 36,
  IUCLC: 37,
  IXON: 38,
  IXANY: 39,
  IXOFF: 40,
  IMAXBEL: 41,
  IUTF8: 42,
  ISIG: 50,
  ICANON: 51,
  XCASE: 52,
  ECHO: 53,
  ECHOE: 54,
  ECHOK: 55,
  ECHONL: 56,
  NOFLSH: 57,
  TOSTOP: 58,
  IEXTEN: 59,
  ECHOCTL: 60,
  ECHOKE: 61,
  PENDIN: 62,
  OPOST: 70,
  OLCUC: 71,
  ONLCR: 72,
  OCRNL: 73,
  ONOCR: 74,
  ONLRET: 75,
  CS7: 90,
  CS8: 91,
  PARENB: 92,
  PARODD: 93,
  TTY_OP_ISPEED: 128,
  TTY_OP_OSPEED: 129,
} as const

/** Name of a terminal mode. */
export type TerminalModeName = keyof typeof terminalModeOpcodes

/** Modes and their values. A mode nobody named is kept under its opcode. */
export type TerminalModes = ReadonlyMap<TerminalModeName | number, number>

const opcodeEnd = 0
/** Opcodes from here on have no uint32 argument and end the list (RFC 4254 §8). */
const opcodeUndefined = 160

const nameByOpcode = new Map(
  Object.entries(terminalModeOpcodes).map(([name, code]) => [code as number, name as TerminalModeName]),
)

/** Bytes for the `terminalModes` field of a pty-req. */
export function encodeTerminalModes(modes: Iterable<readonly [TerminalModeName | number, number]>): Uint8Array {
  const writer = new Writer()
  for (const [mode, value] of modes) {
    const opcode = typeof mode === 'number' ? mode : terminalModeOpcodes[mode]
    if (!Number.isInteger(opcode) || opcode <= opcodeEnd || opcode >= opcodeUndefined) {
      throw new WireError('ERR_SSH_WIRE_INVALID_VALUE', `Terminal mode ${mode} is not one of 1 to 159 or a known name`)
    }
    writer.writeByte(opcode).writeUint32(value)
  }
  return writer.writeByte(opcodeEnd).finish()
}

/**
 * Reads the `terminalModes` field of a pty-req. A list that lacks its end marker is accepted, as OpenSSH does.
 * @throws WireError when a value is cut short
 */
export function decodeTerminalModes(bytes: Uint8Array): TerminalModes {
  const modes = new Map<TerminalModeName | number, number>()
  const reader = new Reader(bytes)
  while (reader.remaining > 0) {
    const opcode = reader.readByte()
    if (opcode === opcodeEnd || opcode >= opcodeUndefined) break
    modes.set(nameByOpcode.get(opcode) ?? opcode, reader.readUint32())
  }
  return modes
}
