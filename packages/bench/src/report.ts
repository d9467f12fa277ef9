/** The table: medians, ratios, and on what machine. */

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import type { BenchCase } from './cases.js'
import type { Measurement, PeerName } from './job.js'

/** Everything measured for one case. */
export interface CaseReport {
  readonly benchCase: BenchCase
  /** Each peer's rounds; a peer that failed has none. */
  readonly rounds: ReadonlyMap<PeerName, readonly Measurement[]>
}

export const peerNames = { ours: '@ssh/sdk', openssh: 'OpenSSH', ssh2: 'ssh2' } as const

/** A Markdown table of the reports. */
export function table(reports: readonly CaseReport[]): string {
  const head =
    '| work | unit | @ssh/sdk | OpenSSH | ssh2 | ours ÷ OpenSSH | ours ÷ ssh2 | CPU s: ours · OpenSSH · ssh2 | MiB: ours · OpenSSH · ssh2 |'
  const rule = '|---|---|--:|--:|--:|--:|--:|--:|--:|'
  return [head, rule, ...reports.map(row)].join('\n')
}

function row({ benchCase, rounds }: CaseReport): string {
  const of = (peer: PeerName): Summary | undefined => summarise(benchCase, rounds.get(peer) ?? [])
  const [ours, openssh, ssh2] = [of('ours'), of('openssh'), of('ssh2')]
  const all = [ours, openssh, ssh2]
  const cells = [
    benchCase.title,
    benchCase.unit,
    ...all.map((summary) => number(summary?.value)),
    ...[openssh, ssh2].map((other) => ratio(benchCase, ours, other)),
    all.map((summary) => number(summary?.cpuSeconds)).join(' · '),
    all.map((summary) => number(summary && summary.peakMemory / 1024 / 1024)).join(' · '),
  ]
  return `| ${cells.join(' | ')} |`
}

interface Summary {
  readonly value: number
  readonly cpuSeconds: number
  readonly peakMemory: number
}

function summarise({ unit }: BenchCase, rounds: readonly Measurement[]): Summary | undefined {
  if (rounds.length === 0) return undefined
  return {
    value: median(rounds.map((round) => inUnits(unit, round))),
    cpuSeconds: median(rounds.map((round) => round.cpuSeconds)),
    peakMemory: median(rounds.map((round) => round.peakMemory)),
  }
}

/** One round in the case's unit. */
export function inUnits(unit: BenchCase['unit'], { amount, seconds }: Measurement): number {
  if (unit === 'ms') return (seconds * 1000) / amount
  return (unit === 'MB/s' ? amount / 1e6 : amount) / seconds
}

/** How many times faster we are: above 1 is better, also where the unit is a time. */
function ratio({ unit }: BenchCase, ours: Summary | undefined, other: Summary | undefined): string {
  if (ours === undefined || other === undefined) return '–'
  const factor = unit === 'ms' ? other.value / ours.value : ours.value / other.value
  return `**${factor.toFixed(2)}**`
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function number(value: number | undefined): string {
  if (value === undefined) return '–'
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2)
}

/** The line without which the numbers mean nothing. */
export function machine(rounds: number, cipher: string): string {
  const processors = cpus()
  const memory = Math.round(totalmem() / 1024 ** 3)
  const model = processors[0]?.model.trim() ?? 'unknown processor'
  const openssh = said('ssh', ['-V']).split(',')[0]
  const commit = said('git', ['rev-parse', '--short', 'HEAD'])
  const dirty = said('git', ['status', '--porcelain', '--untracked-files=no']) === '' ? '' : ' with changes'
  const date = new Date().toISOString().slice(0, 10)
  return (
    `${date}, commit ${commit}${dirty}. ${processors.length} × ${model}, ${memory} GiB; ${process.platform} ${process.arch}; ` +
    `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}; ${openssh}; ssh2 ${ssh2Version()}. ` +
    `${cipher}; medians of ${rounds} interleaved rounds.`
  )
}

function said(command: string, args: readonly string[]): string {
  // `ssh -V` speaks on standard error.
  return execFileSync('sh', ['-c', '"$0" "$@" 2>&1', command, ...args], { encoding: 'utf8' }).trim()
}

function ssh2Version(): string {
  const manifest = new URL('../node_modules/ssh2/package.json', import.meta.url)
  return JSON.parse(readFileSync(manifest, 'utf8')).version
}

const begin = '<!-- bench:begin -->'
const end = '<!-- bench:end -->'

/** Replaces what is between the markers of a Markdown file. @throws Error when it has none */
export function writeBetweenMarkers(file: string, text: string): void {
  const content = readFileSync(file, 'utf8')
  const from = content.indexOf(begin)
  const to = content.indexOf(end)
  if (from === -1 || to < from) throw new Error(`${file} has no ${begin} … ${end}`)
  writeFileSync(file, `${content.slice(0, from + begin.length)}\n${text}\n${content.slice(to)}`)
}
