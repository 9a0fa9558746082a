import type { Attempt } from './attempts.js'

/** What kills cost. */
export interface Waste {
  /** Attempts that were ended by a kill. */
  readonly interrupted: number
  /** Steps that a training did again after a kill, at most and in all. */
  readonly mostRepeated: number
  readonly repeated: number
  /** Tasks that began again before their last checkpoint: there should be none. */
  readonly tooEarly: readonly string[]
  /** Steps between two checkpoints, by stage. */
  readonly intervals: Readonly<Record<string, number>>
  /** Processor seconds of all child processes. */
  readonly seconds: number
  /** Of them: until a process took its first task; since the last checkpoint (or the beginning) of what was killed. */
  readonly starting: number
  readonly lost: number
}

/** @param reference  attempts of the same search undisturbed: every training has one, from step 0 */
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
  for (const [name, own] of byTask) {
    let [done, saved] = [0, 0]
    for (const { points, saved: last } of own) {
      if (points.length === 0) continue
      const start = points[0]! - firstPoint.get(name)!
      if (start < done) repeats.push(done - start)
      if (start < saved) tooEarly.push(`${name}: began again at step ${start}, its checkpoint was of step ${saved}`)
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
    seconds: sum(attempts, (own, all) => own.last.cpu - (all[0] === own ? 0 : own.begin.cpu)),
    starting: sum(attempts, (own, all) => (all[0] === own ? own.begin.cpu : 0)),
    lost: sum(killed, (own) => own.last.cpu - (own.saved?.cpu ?? own.begin.cpu)),
  }
}

/** Sums over attempts; each is told those of its process. */
function sum(attempts: readonly Attempt[], value: (own: Attempt, all: readonly Attempt[]) => number): number {
  const byProcess = new Map<number, Attempt[]>()
  for (const own of attempts) byProcess.set(own.pid, [...(byProcess.get(own.pid) ?? []), own])
  return attempts.reduce((total, own) => total + value(own, byProcess.get(own.pid)!), 0)
}

/** The first checkpoint is one interval from the beginning. */
function intervalsOf(reference: readonly Attempt[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { stage, firstSaved } of reference) if (firstSaved !== undefined) found[stage] = firstSaved
  return found
}
