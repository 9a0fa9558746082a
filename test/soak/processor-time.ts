import { readFileSync } from 'node:fs'

/** Clock ticks a second, of Linux on every kind of processor. */
const ticks = 100

/** Seconds of processor time that a process has had; 0 of one that is gone. */
export function processorTime(pid: number): number {
  try {
    // After the name in brackets: state, parent, …; the 12th and 13th are ticks in user and system mode.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticks
  } catch {
    return 0
  }
}
