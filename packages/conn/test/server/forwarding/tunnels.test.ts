import { expect, test } from 'vitest'
import { Tunnels } from '../../../src/server/forwarding/tunnels.js'

test('tunnels are counted until their work settles, however it does', async () => {
  const tunnels = new Tunnels(2)
  let end = () => {}
  const first = tunnels.occupy(() => new Promise((resolve) => (end = resolve)))
  const second = tunnels.occupy(() => Promise.reject(new Error('failed')))
  expect(tunnels.isFull).toBe(true)
  await expect(second).rejects.toThrow('failed')
  expect(tunnels.isFull).toBe(false)
  end()
  await first
  expect(new Tunnels(0).isFull).toBe(true)
})

test('whoever waits for tunnels to end waits for the last of them', async () => {
  const tunnels = new Tunnels(2)
  await tunnels.idle()
  const ends: (() => void)[] = []
  const works = [0, 1].map(() => tunnels.occupy(() => new Promise((resolve) => void ends.push(resolve))))
  let isIdle = false
  const idle = tunnels.idle().then(() => (isIdle = true))
  ends[0]?.()
  await works[0]
  expect(isIdle).toBe(false)
  ends[1]?.()
  await idle
})
