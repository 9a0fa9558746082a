import type { PendingTask } from '../../../cli/at-work.js'
import type { Sighting } from '../../../cli/progress/sighting.js'
import type { SearchProgress, StageProgress } from '../../../workflows/types.js'

/** A stage that waits. */
export const stage = (name: string, more: Partial<StageProgress> = {}): StageProgress => ({
  stage: name,
  state: 'waiting',
  done: 0,
  total: 0,
  reused: 0,
  seconds: 0,
  leftOut: 0,
  skipped: [],
  waiting: [],
  ...more,
})

/** A task at work. */
export const task = (name: string, more: Partial<PendingTask> = {}): PendingTask => ({
  stage: name.split('/')[0]!,
  name,
  attempt: 1,
  atWork: true,
  ...more,
})

/** A search in the middle of its work. */
export const halfWay: readonly StageProgress[] = [
  stage('prepare', { state: 'done', done: 1, total: 1, reused: 1 }),
  stage('profile', { state: 'done', done: 24, total: 24 }),
  stage('distill', { state: 'running', done: 120, total: 288, reused: 35, secondsLeft: 180 }),
  stage('score'),
  stage('solve'),
]

/** A look at a run that began two minutes and ten seconds before the clock's `now`. */
export const sighting = (
  stages: readonly StageProgress[] = halfWay,
  tasks: readonly PendingTask[] = [],
  more: Partial<SearchProgress> = {},
): Sighting => ({
  run: 'tiny',
  startedAt: 0,
  progress: { stages, fraction: 0.43, paused: false, concurrency: 32, ...more },
  tasks,
})
export const now = 130_000
