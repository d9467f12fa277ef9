/** Waiting for what needs no time but turns of the event loop. */

/** Lets everything that is under way go on for one turn. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Waits until it is so; the test's own limit ends what never comes. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

/** What a promise is rejected with; undefined when it is not. */
export const outcome = (promise: PromiseLike<unknown>): PromiseLike<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
