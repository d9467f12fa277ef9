/** Cleaning up after a failure, at a server that may have stopped answering. */

/** How long what is left to do after an abort or a failure may hold it up. */
export const patienceMs = 1000

/** Resolves when `work` is done or has failed, or when patience has run out; never rejects. */
export async function forAWhile(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patienceMs)
  })
  await Promise.race([work.catch(() => {}), enough])
  clearTimeout(timer)
}
