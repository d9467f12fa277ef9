import { openFailureReasons } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { SessionSlots } from '../../src/client/session-slots.js'
import { ChannelOpenError } from '../../src/errors.js'

class Session {
  end: () => void = () => {}
  readonly closed = new Promise<void>((resolve) => {
    this.end = resolve
  })
}

/** A server with few places; one that was given up can be taken only after the next answer, as in OpenSSH. */
class Server {
  attempts = 0
  readonly #places: number
  #taken = 0
  #leaving = 0

  constructor(places: number) {
    this.#places = places
  }

  readonly open = async (): Promise<Session> => {
    this.attempts++
    const hasRoom = this.#taken < this.#places
    this.#taken -= this.#leaving
    this.#leaving = 0
    if (!hasRoom) {
      throw new ChannelOpenError(openFailureReasons.connectFailed, 'too many', { details: { mayRetryLater: true } })
    }
    this.#taken++
    const session = new Session()
    session.closed.then(() => this.#leaving++)
    return session
  }
}

describe('sessions on a server with few places', () => {
  test('one after the other always finds the place of the one before', async () => {
    const slots = new SessionSlots()
    const server = new Server(1)
    for (let round = 0; round < 10; round++) {
      const session = await slots.open(round % 2 === 0, undefined, server.open)
      session.end()
      await session.closed
    }
    expect(server.attempts).toBe(19)
  })

  test('all short ones get their turn, however few the places', async () => {
    for (const places of [1, 2, 3]) {
      const slots = new SessionSlots()
      const server = new Server(places)
      const runs = Array.from({ length: 20 }, async () => {
        const session = await slots.open(true, undefined, server.open)
        session.end()
        await session.closed
      })
      await expect(Promise.all(runs)).resolves.toHaveLength(20)
    }
  })

  test('an end in the same breath as a refusal is not missed', async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const slots = new SessionSlots()
      const server = new Server(1)
      const first = await slots.open(true, undefined, server.open)
      const second = slots.open(true, undefined, server.open)
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
      first.end()
      await expect(second).resolves.toBeInstanceOf(Session)
    }
  })

  test('a refusal that comes before the acceptance of another one is not the last word', async () => {
    const slots = new SessionSlots()
    const server = new Server(1)
    const slow = async () => {
      const accepted = server.open()
      for (let tick = 0; tick < 20; tick++) await Promise.resolve()
      return accepted
    }
    const first = slots.open(true, undefined, slow)
    const second = slots.open(true, undefined, server.open)
    ;(await first).end()
    await expect(second).resolves.toBeInstanceOf(Session)
  })

  test('when the last attempt is refused, so are all that waited for it', async () => {
    const slots = new SessionSlots()
    const server = new Server(0)
    const attempts = [1, 2, 3].map(() => slots.open(true, undefined, server.open))
    const outcomes = await Promise.allSettled(attempts)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  })

  test('a refusal counts when nothing ended since the last one', async () => {
    const slots = new SessionSlots()
    const server = new Server(1)
    await slots.open(false, undefined, server.open)
    await expect(slots.open(true, undefined, server.open)).rejects.toBeInstanceOf(ChannelOpenError)
    expect(server.attempts).toBe(2)
  })
})
