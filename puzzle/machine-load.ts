import { cpus } from 'node:os'

/**
 * Watches what else the machine does.
 * @returns a function: the share of the processors, 0 to 1, that other programs have used since; it has two digits
 */
export function watchOthers(): () => number {
  const before = { ...processorTime(), own: process.cpuUsage() }
  return () => {
    const { busy, all } = processorTime()
    const { user, system } = process.cpuUsage(before.own)
    // Clocks of processors count in hundredths of a second: of a shorter time they say nothing.
    const total = all - before.all
    if (total < 200) return 0
    const others = busy - before.busy - (user + system) / 1000
    return Number(Math.min(1, Math.max(0, others / total)).toFixed(2))
  }
}

/** Milliseconds of all processors since the machine was started. */
function processorTime(): { readonly busy: number; readonly all: number } {
  const times = cpus().map((own) => own.times)
  const idle = times.reduce((n, own) => n + own.idle, 0)
  const all = times.reduce((n, { user, nice, sys, idle, irq }) => n + user + nice + sys + idle + irq, 0)
  return { busy: all - idle, all }
}
