import { appendFileSync } from 'node:fs'
import type { Job } from './job.js'

/** Environment variable with the file of the log; without it there is none. */
export const attemptLogVariable = 'PUZZLEFLOW_ATTEMPT_LOG'

/** A line of the log. */
export interface AttemptLine {
  /** Milliseconds of the wall clock. */
  readonly at: number
  readonly pid: number
  readonly event: 'begin' | 'progress' | 'end'
  readonly stage: string
  /** Of a task; of a plan or gathering, what it is. */
  readonly task: string
  /** Seconds of processor time of the process so far. */
  readonly cpu: number
  /** What a progress said. */
  readonly text?: string
}

/**
 * Writes what a child process does as it does it, a JSON line each: what one that is killed had done would else be lost
 * with it. For those who kill processes and count what was done twice.
 */
export function attemptLog(job: Job): (event: AttemptLine['event'], text?: string) => void {
  const file = process.env[attemptLogVariable]
  if (file === undefined) return () => undefined
  const attempt = { pid: process.pid, stage: job.stage, task: job.kind === 'run' ? job.task.id : job.kind }
  return (event, text) => {
    const { user, system } = process.cpuUsage()
    const line = { at: Date.now(), event, ...attempt, cpu: (user + system) / 1e6, ...(text !== undefined && { text }) }
    appendFileSync(file, `${JSON.stringify(line)}\n`)
  }
}
