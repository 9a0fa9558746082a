import { readRecords } from '../../lineage/inventory.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import type { Store, TaskRecord } from '../../store/index.js'
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

/** Seconds until a run is done. */
export interface RunLeft {
  readonly seconds: number
  /** Whether more is known about no stage: the run takes at least so long. */
  readonly atLeast: boolean
}

/**
 * Guesses when a run will be done: stages at work by their own speed, those that wait by the work that they were before.
 * @param places  tasks that run side by side, of stages that allow it
 * @returns undefined where nothing is known
 */
export function runLeft(
  { progress, tasks }: Pick<Sighting, 'progress' | 'tasks'>,
  stages: readonly Pick<PlannedStage, 'name' | 'uses' | 'exclusive'>[],
  before: WorkBefore,
  places: number,
): RunLeft | undefined {
  const types = new Map(stages.map((stage) => [stage.name, stage]))
  let [atWork, waiting, atLeast] = [0, 0, false]
  for (const { stage, state, secondsLeft, done, total } of progress?.stages ?? []) {
    if (state !== 'running' && state !== 'waiting') continue
    const type = types.get(stage)
    const work = type && before.get(type.uses)
    const said = tasks.filter((task) => task.stage === stage).flatMap((task) => secondsLeftOf(task) ?? [])
    // A stage takes at least as long as each of its tasks.
    const own = state === 'running' ? (secondsLeft ?? (total <= 1 ? said[0] : undefined)) : undefined
    if (own !== undefined) atWork = Math.max(atWork, own, ...said)
    else if (work !== undefined)
      waiting += (work * (1 - done / Math.max(1, total))) / (total === 1 || type!.exclusive ? 1 : places)
    else {
      atLeast = true
      atWork = Math.max(atWork, 0, ...said)
    }
  }
  const seconds = atWork + waiting
  return seconds >= 1 ? { seconds, atLeast } : undefined
}
