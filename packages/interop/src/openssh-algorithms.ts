/** Algorithms that the OpenSSH of this machine and the SDK both know, from `ssh -Q` and the SDK's registries. */

import { ciphers, kexAlgorithms, macs, type Registry, signatureAlgorithms } from '@ssh/crypto'
import { findPeer } from './peers.js'
import { mustRun } from './program.js'

export interface SharedAlgorithms {
  readonly kex: readonly string[]
  readonly hostKeys: readonly string[]
  readonly ciphers: readonly string[]
  readonly macs: readonly string[]
}

/** What both know, in the SDK's order; legacy ones, which have to be asked for, included. Nothing without OpenSSH. */
export async function sharedAlgorithms(): Promise<SharedAlgorithms> {
  const [kex, hostKeys, cipherNames, macNames] = await Promise.all([
    shared('kex', kexAlgorithms),
    shared('HostKeyAlgorithms', signatureAlgorithms),
    shared('cipher', ciphers),
    shared('mac', macs),
  ])
  return { kex, hostKeys, ciphers: cipherNames, macs: macNames }
}

async function shared(query: string, known: Pick<Registry<never>, 'names'>): Promise<string[]> {
  const ssh = findPeer('ssh')
  if (ssh === undefined) return []
  const theirs = (await mustRun([ssh, '-Q', query])).split('\n')
  return known.names.filter((name) => theirs.includes(name))
}

/** One choice of algorithms. */
export interface AlgorithmChoice {
  readonly kex: string
  readonly hostKey: string
  readonly cipher: string
  /** Undefined with a cipher that authenticates by itself. */
  readonly mac: string | undefined
}

/** The complete product: every choice that a client and a server can arrive at. */
export function everyChoice(shared: SharedAlgorithms): AlgorithmChoice[] {
  const macsFor = (cipher: string) => (ciphers.get(cipher)?.isAead ? [undefined] : shared.macs)
  return shared.kex.flatMap((kex) =>
    shared.hostKeys.flatMap((hostKey) =>
      shared.ciphers.flatMap((cipher) => macsFor(cipher).map((mac) => ({ kex, hostKey, cipher, mac }))),
    ),
  )
}

/** Calls `work` for every item, `lanes` of them at a time. @throws Error the first that comes, when all have stopped */
export async function inLanes<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}
