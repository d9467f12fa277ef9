/** CPU time and memory of a process and its descendants, read from /proc while they run. */

import { readFileSync } from 'node:fs'

/** Ticks per second of /proc/…/stat: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

export interface Usage {
  readonly cpuSeconds: number
  readonly peakMemory: number
}

/** Starts watching. @returns a function that stops and tells what was used; nothing where there is no /proc */
export function watchUsage(pid: number, intervalMs = 10): () => Usage {
  const cpuByProcess = new Map<number, number>()
  let peakMemory = 0
  const sample = (): void => {
    let memory = 0
    for (const process of treeOf(pid)) {
      const usage = usageOf(process)
      cpuByProcess.set(process, Math.max(usage.cpuSeconds, cpuByProcess.get(process) ?? 0))
      memory += usage.peakMemory
    }
    peakMemory = Math.max(peakMemory, memory)
  }
  const timer = setInterval(sample, intervalMs)
  return () => {
    clearInterval(timer)
    let cpuSeconds = 0
    for (const seconds of cpuByProcess.values()) cpuSeconds += seconds
    return { cpuSeconds, peakMemory }
  }
}

function treeOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return [pid, ...(children === '' ? [] : children.split(' ').flatMap((child) => treeOf(Number(child))))]
  } catch {
    return []
  }
}

function usageOf(pid: number): Usage {
  try {
    // The name in parentheses may hold anything; what follows the last one is numbers.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return { cpuSeconds: ticks / ticksPerSecond, peakMemory: Number(peak?.[1] ?? 0) * 1024 }
  } catch {
    return { cpuSeconds: 0, peakMemory: 0 }
  }
}
