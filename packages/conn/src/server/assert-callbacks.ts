/**
 * Whether what a serverFactory made is what it takes for callbacks. One that is misspelt would never be asked, and what it
 * was to refuse would be allowed.
 */

import { closestName, unknownOptions } from '@ssh/wire'
import { OptionsError } from '../errors.js'
import type { ServerCallbacks } from './server-callbacks.js'

const callbackNames = Object.keys({
  connectionMade: true,
  connectionLost: true,
  beginAuth: true,
  authCompleted: true,
  validatePublicKey: true,
  validatePassword: true,
  changePassword: true,
  getKbdintChallenge: true,
  validateKbdintResponse: true,
  sessionRequested: true,
  connectionRequested: true,
  unixConnectionRequested: true,
  serverRequested: true,
  unixServerRequested: true,
  tunRequested: true,
  tapRequested: true,
} satisfies Record<keyof ServerCallbacks, true>)

const known: ReadonlySet<string> = new Set(callbackNames)

/**
 * Refuses callbacks that are no functions, and functions that nobody would call: in a plain object each that has no
 * callback's name, in an instance of a class, which may have methods of its own, those whose name is almost a callback's.
 * @throws OptionsError naming them
 */
export function assertCallbacks(callbacks: unknown): void {
  if (typeof callbacks !== 'object' || callbacks === null) {
    throw new OptionsError('the callbacks must be an object')
  }
  const unusable = callbackNames.find((name) => !isCallback(Reflect.get(callbacks, name)))
  if (unusable !== undefined) throw new OptionsError(`the callback "${unusable}" must be a function`)
  const others = [...functionNames(callbacks)].filter((name) => !known.has(name))
  const unknown = isPlain(callbacks) ? others : others.filter((name) => closestName(name, callbackNames) !== undefined)
  if (unknown.length > 0) throw new OptionsError(unknownOptions(unknown, callbackNames, 'callback'))
}

function isCallback(value: unknown): boolean {
  return value === undefined || typeof value === 'function'
}

/** Objects of every realm, and those without a prototype. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Of an object and of its classes; what all objects have is not looked at, and no getter is called. */
function functionNames(value: object): Set<string> {
  const names = new Set<string>()
  let holder: object | null = value
  while (holder !== null && (holder === value || Object.getPrototypeOf(holder) !== null)) {
    for (const [name, { value: member }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof member === 'function' && name !== 'constructor') names.add(name)
    }
    holder = Object.getPrototypeOf(holder)
  }
  return names
}
