import { readRecords } from '../../lineage/inventory.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import type { Store, TaskRecord } from '../../store/index.js'
import type { StageProgress } from '../../workflows/types.js'
import { secondsLeftOf } from '../at-work.js'
import type { Sighting } from './sighting.js'

/** Seconds of work that a stage of each type took before, on average. */
export type WorkBefore = ReadonlyMap<string, number>

/** What the records of a store say about the work of stages. Nothing of a store elsewhere: reading its records takes long. */
export async function workBefore(store: Store): Promise<WorkBefore> {
  if (store.location !== store.root) return new Map()
  return averageWork([...(await readRecords(store)).values()].map(({ record }) => record))
}

/** Each stage that was done has left a record of its gathering, and one of each task. */
export function averageWork(records: readonly Pick<TaskRecord, 'components' | 'seconds'>[]): WorkBefore {
  const sums = new Map<string, { seconds: number; stages: number }>()
  for (const { components, seconds } of records) {
    const { stage, kind } = components
    if (typeof stage !== 'string') continue
    const sum = sums.get(stage) ?? { seconds: 0, stages: 0 }
    sums.set(stage, { seconds: sum.seconds + seconds, stages: sum.stages + (kind === 'gather' ? 1 : 0) })
  }
  return new Map([...sums].flatMap(([stage, { seconds, stages: n }]) => (n > 0 ? [[stage, seconds / n] as const] : [])))
}

/** What is known of the work of a run. */
export interface WorkKnown {
  /** Seconds that stages were expected to take when the run began, by name. */
  readonly expected: ReadonlyMap<string, number>
  /** For the others. */
  readonly before: WorkBefore
}

/** Seconds until a run is done. */
export interface RunLeft {
  readonly seconds: number
  /** Whether more is known about no stage: the run takes at least so long. */
  readonly atLeast: boolean
}

type Stage = Pick<PlannedStage, 'name' | 'uses' | 'exclusive'>

/**
 * Guesses when a run will be done: stages at work by their own speed; those that wait by what was expected of them, as much longer
 * as those that are done took; and where nothing was, by the work that they were before.
 * @param places  tasks that run side by side, of stages that allow it
 * @returns undefined where nothing is known
 */
export function runLeft(
  { progress, tasks }: Pick<Sighting, 'progress' | 'tasks'>,
  stages: readonly Stage[],
  { expected, before }: WorkKnown,
  places: number,
): RunLeft | undefined {
  const types = new Map(stages.map((stage) => [stage.name, stage]))
  const slower = slowness(progress?.stages ?? [], types, expected, places)
  let [atWork, waiting, atLeast] = [0, 0, false]
  for (const each of progress?.stages ?? []) {
    const { stage, state, secondsLeft, done, total } = each
    if (state !== 'running' && state !== 'waiting') continue
    const type = types.get(stage)
    const work = type && before.get(type.uses)
    const said = tasks.filter((task) => task.stage === stage).flatMap((task) => secondsLeftOf(task) ?? [])
    // A stage takes at least as long as each of its tasks.
    const own = state === 'running' ? (secondsLeft ?? (total <= 1 ? said[0] : undefined)) : undefined
    const forecast = expected.get(stage)
    const whole = forecast === undefined ? work && work / lanes(each, type, places) : forecast * slower
    if (own !== undefined) atWork = Math.max(atWork, own, ...said)
    else if (whole !== undefined) waiting += whole * (1 - done / Math.max(1, total))
    else {
      atLeast = true
      atWork = Math.max(atWork, 0, ...said)
    }
  }
  const seconds = atWork + waiting
  return seconds >= 1 ? { seconds, atLeast } : undefined
}

const lanes = ({ total }: StageProgress, { exclusive }: Stage, places: number): number =>
  exclusive ? 1 : total === 0 ? places : Math.min(total, places)

/** How many times as long as expected the stages took that are done. Few seconds say little: a tenth of what is expected of the
 *  whole run counts as if it had come true. */
function slowness(
  progress: readonly StageProgress[],
  types: ReadonlyMap<string, Stage>,
  expected: WorkKnown['expected'],
  places: number,
): number {
  const prior = [...expected.values()].reduce((sum, seconds) => sum + seconds, 0) / 10
  let [took, thought] = [prior, prior]
  for (const each of progress) {
    const { stage, state, seconds, total, reused } = each
    const [type, whole] = [types.get(stage), expected.get(stage)]
    // What was not expected at all, such as further training, says nothing of the others.
    if (state !== 'done' || total === 0 || !type || !whole) continue
    took += seconds / lanes(each, type, places)
    thought += (whole * (total - reused)) / total
  }
  return thought > 0 ? took / thought : 1
}
