import { AbortError, openFailureReasons } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { SessionSlots } from '../../src/client/session-slots.js'
import { ChannelOpenError } from '../../src/errors.js'

/** A server that has room for so many sessions. */
class Server {
  open = 0
  attempts = 0
  readonly #room: number

  constructor(room: number) {
    this.#room = room
  }

  readonly session = async () => {
    this.attempts++
    if (this.open >= this.#room) {
      throw new ChannelOpenError(openFailureReasons.resourceShortage, 'full', { details: { mayRetryLater: true } })
    }
    this.open++
    let end = () => {}
    const closed = new Promise<void>((resolve) => {
      end = () => {
        this.open--
        resolve()
      }
    })
    return { closed, end }
  }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('a session that the server has no room for', () => {
  test('waits for short ones, each place going to the one that waited longest', async () => {
    const server = new Server(2)
    const slots = new SessionSlots()
    const open = () => slots.open(true, undefined, server.session)
    const first = [await open(), await open()]
    const order: number[] = []
    const waiting = [1, 2, 3].map(async (number) => {
      const session = await open()
      order.push(number)
      return session
    })
    await settle()
    expect(order).toEqual([])
    first[0]?.end()
    await settle()
    expect(order).toEqual([1])
    first[1]?.end()
    ;(await waiting[0])?.end()
    await Promise.all(waiting)
    expect(order).toEqual([1, 2, 3])
    expect(server.open).toBe(2)
  })

  test('fails at once when none is short', async () => {
    const server = new Server(1)
    const slots = new SessionSlots()
    await slots.open(false, undefined, server.session)
    await expect(slots.open(true, undefined, server.session)).rejects.toThrow('full')
  })

  test('fails once the last short one has ended without making room', async () => {
    const server = new Server(1)
    const slots = new SessionSlots()
    const short = await slots.open(true, undefined, server.session)
    const waiting = [1, 2].map(() => slots.open(false, undefined, server.session).catch((error) => error))
    await settle()
    server.open++
    short.end()
    expect(await Promise.all(waiting)).toMatchObject([{ message: 'full' }, { message: 'full' }])
  })

  test('stops waiting when its signal fires, and leaves its place to the next', async () => {
    const server = new Server(1)
    const slots = new SessionSlots()
    const short = await slots.open(true, undefined, server.session)
    const controller = new AbortController()
    const impatient = slots.open(true, controller.signal, server.session).catch((error) => error)
    const patient = slots.open(true, undefined, server.session)
    await settle()
    controller.abort()
    expect(await impatient).toBeInstanceOf(AbortError)
    short.end()
    await patient
    await expect(slots.open(true, AbortSignal.abort(), server.session)).rejects.toBeInstanceOf(AbortError)
  })

  test('passes on the place that it was woken for and could not use', async () => {
    const server = new Server(1)
    const slots = new SessionSlots()
    const short = await slots.open(true, undefined, server.session)
    let isBroken = false
    const broken = slots
      .open(true, undefined, async () => {
        if (isBroken) throw new Error('broken')
        return server.session()
      })
      .catch((error) => error)
    await settle()
    const next = slots.open(true, undefined, server.session)
    await settle()
    isBroken = true
    const other = new Server(5)
    // Another short session keeps the rest waiting.
    const keeper = await slots.open(true, undefined, other.session)
    short.end()
    expect(await broken).toMatchObject({ message: 'broken' })
    await next
    keeper.end()
  })
})

test('a refusal that overtakes the acceptance of another one is not the last word', async () => {
  const server = new Server(1)
  const slots = new SessionSlots()
  const slowly = async () => {
    const accepted = server.session()
    await settle()
    return accepted
  }
  const first = slots.open(true, undefined, slowly)
  const second = slots.open(true, undefined, server.session)
  ;(await first).end()
  await second
  expect(server.open).toBe(1)
})

test('when the last one asked for is refused, so are all that waited for it', async () => {
  const slots = new SessionSlots()
  const server = new Server(0)
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => slots.open(true, undefined, server.session)))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
})

test('any other refusal fails at once', async () => {
  const slots = new SessionSlots()
  await slots.open(true, undefined, new Server(1).session)
  const refusal = new ChannelOpenError(openFailureReasons.administrativelyProhibited, 'no')
  await expect(slots.open(true, undefined, () => Promise.reject(refusal))).rejects.toBe(refusal)
})
