import { cpus } from 'node:os'
import type { TimedModel } from '../model/index.js'

/**
 * Watches what else the machine does.
 * @returns a function: the share of the processors, 0 to 1, that other programs have used since; it has two digits. It takes the seconds
 *  that processes of this program's have used besides this one. Undefined if too little time has passed to say
 */
export function watchOthers(): (elsewhere?: number) => number | undefined {
  const before = { ...processorTime(), own: process.cpuUsage() }
  return (elsewhere = 0) => {
    const { busy, all } = processorTime()
    const { user, system } = process.cpuUsage(before.own)
    // Clocks of processors count in hundredths of a second: of a shorter time they say nothing.
    const total = all - before.all
    if (total < 200) return undefined
    const others = busy - before.busy - (user + system) / 1000 - 1000 * elsewhere
    return Number(Math.min(1, Math.max(0, others / total)).toFixed(2))
  }
}

/** Watches what else the machine does while models are timed, in whichever processes they run. */
export async function watchBeside(timed: readonly TimedModel[]): Promise<() => Promise<number | undefined>> {
  const elsewhere = async () => {
    let seconds = 0
    for (const model of timed) seconds += (await model.processorSeconds?.()) ?? 0
    return seconds
  }
  const before = await elsewhere()
  const others = watchOthers()
  return async () => others((await elsewhere()) - before)
}

/** Milliseconds of all processors since the machine was started. */
function processorTime(): { readonly busy: number; readonly all: number } {
  const times = cpus().map((own) => own.times)
  const idle = times.reduce((n, own) => n + own.idle, 0)
  const all = times.reduce((n, { user, nice, sys, idle, irq }) => n + user + nice + sys + idle + irq, 0)
  return { busy: all - idle, all }
}
