import type { Attempt } from './attempts.js'

/** The cost of kills. */
export interface Waste {
  /** Attempts that a kill ended. */
  readonly interrupted: number
  /** Training steps repeated after a kill: the most after one kill, and the total. */
  readonly mostRepeated: number
  readonly repeated: number
  /** Tasks that restarted before their last checkpoint; there should be none. */
  readonly tooEarly: readonly string[]
  /** Steps between two checkpoints, by stage. */
  readonly intervals: Readonly<Record<string, number>>
  /** Processor seconds of all child processes. */
  readonly seconds: number
  /** Part of `seconds`: until a process took its first task. */
  readonly starting: number
  /** Part of `seconds`: since the last checkpoint, or the start, of killed attempts. */
  readonly lost: number
}

/** @param reference  attempts of the undisturbed search: one per training, from step 0 */
export function wasteOf(attempts: readonly Attempt[], reference: readonly Attempt[]): Waste {
  const byTask = new Map<string, Attempt[]>()
  for (const attempt of attempts) {
    const name = `${attempt.stage}/${attempt.task}`
    byTask.set(name, [...(byTask.get(name) ?? []), attempt])
  }
  const firstPoint = new Map(
    reference.flatMap(({ stage, task, points }) => points.slice(0, 1).map((p) => [`${stage}/${task}`, p])),
  )
  const repeats: number[] = []
  const tooEarly: string[] = []
  for (const [name, taskAttempts] of byTask) {
    let [done, saved] = [0, 0]
    for (const { points, saved: last } of taskAttempts) {
      if (points.length === 0) continue
      const start = points[0]! - firstPoint.get(name)!
      if (start < done) repeats.push(done - start)
      if (start < saved)
        tooEarly.push(`${name}: restarted at step ${start}, although its checkpoint was at step ${saved}`)
      done = Math.max(done, points.at(-1)!)
      saved = Math.max(saved, last?.step ?? 0)
    }
  }
  const killed = attempts.filter(({ ended }) => !ended)
  return {
    interrupted: killed.length,
    mostRepeated: Math.max(0, ...repeats),
    repeated: repeats.reduce((a, b) => a + b, 0),
    tooEarly,
    intervals: intervalsOf(reference),
    seconds: sum(attempts, (attempt, all) => attempt.last.cpu - (all[0] === attempt ? 0 : attempt.begin.cpu)),
    starting: sum(attempts, (attempt, all) => (all[0] === attempt ? attempt.begin.cpu : 0)),
    lost: sum(killed, ({ begin, last, saved }) => last.cpu - (saved?.cpu ?? begin.cpu)),
  }
}

/** Sums a value over attempts; it may depend on all attempts of the same process. */
function sum(attempts: readonly Attempt[], value: (attempt: Attempt, all: readonly Attempt[]) => number): number {
  const byProcess = new Map<number, Attempt[]>()
  for (const attempt of attempts) byProcess.set(attempt.pid, [...(byProcess.get(attempt.pid) ?? []), attempt])
  return attempts.reduce((total, attempt) => total + value(attempt, byProcess.get(attempt.pid)!), 0)
}

/** Checkpoint intervals by stage: the first checkpoint is one interval after the start. */
function intervalsOf(reference: readonly Attempt[]): Record<string, number> {
  const intervals: Record<string, number> = {}
  for (const { stage, firstSaved } of reference) if (firstSaved !== undefined) intervals[stage] = firstSaved
  return intervals
}
