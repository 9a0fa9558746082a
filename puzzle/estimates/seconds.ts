import type { Work } from '../../api/index.js'
import type { Pace } from './pace.js'

/** Seconds of a task besides its work: its process is there, and weights, states and sessions are opened. */
const perTask = 0.25

/** What a further thread adds, as a share of what the first one does: they share memory. */
const further = 0.8

/** How much faster so many threads are than one. */
export const together = (threads: number): number => 1 + further * (threads - 1)

/** How many of a stage's tasks run side by side. */
export const lanesOf = (tasks: number, exclusive: boolean, { processors }: Pace): number =>
  exclusive ? 1 : Math.max(1, Math.min(tasks, processors))

/**
 * Estimates the seconds of a stage from its work; undefined where its parameters are not known yet.
 * @param exclusive  whether its tasks run one at a time
 */
export function secondsOf(work: Work, tasks: number, exclusive: boolean, pace: Pace): number | undefined {
  const { forward = 0, training = 0, passes = 0, seconds = 0, passThreads = pace.processors } = work
  const threads = exclusive ? pace.processors : 1
  const arithmetic = (forward / pace.forward + training / pace.training) / together(threads)
  const timed = (passes * pace.pass) / together(Math.min(passThreads, threads))
  const all = (arithmetic + timed + seconds + tasks * perTask) / together(lanesOf(tasks, exclusive, pace))
  return Number.isFinite(all) ? all : undefined
}
