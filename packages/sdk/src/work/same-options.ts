/** Whether two connections would be made alike. */

/** Lists in lists and the like are looked into this deep; below, only the very same object is the same. */
const maximumDepth = 4

/**
 * Whether two sets of options ask for the same: text and numbers by value, lists and plain objects by what is in them,
 * everything else (keys, functions, streams) by being the very same object. An option that is undefined is not given.
 */
export function sameOptions(one: object, other: object): boolean {
  return samePlain(one, other, 0)
}

function same(one: unknown, other: unknown, depth: number): boolean {
  if (Object.is(one, other)) return true
  if (depth >= maximumDepth) return false
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => same(item, other[index], depth + 1))
  }
  return isPlain(one) && isPlain(other) && samePlain(one, other, depth + 1)
}

function samePlain(one: object, other: object, depth: number): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...names].every((name) => same(Reflect.get(one, name), Reflect.get(other, name), depth))
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
