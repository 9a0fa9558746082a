import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Listings } from '../spec/input-digests.js'
import type { Store, TaskRecord } from '../store/index.js'
import { nearestAmong } from './differences.js'
import { changesInWords } from './input-changes.js'
import { readRecords } from './inventory.js'
import type { Components } from './keys.js'
import { walk, withoutWriting, type KnownStage } from './walk.js'

/** What a run of a plan would do with a stage, as far as the store knows. */
export interface StageForecast {
  /** Name of the stage. */
  readonly stage: string
  /** Names of the stages that it needs. */
  readonly needs: readonly string[]
  /** Unknown until the stages it needs have run. */
  readonly tasks: number | 'unknown'
  /** Number of tasks whose results are in the store. */
  readonly reused: number
  /** Seconds that the reused tasks took. */
  readonly secondsSaved: number
  /** Mean seconds of a task: of those that are reused, or else of the stage's tasks in the store; null if it has none. */
  readonly secondsEach: number | null
  /** Why tasks will run, most frequent reason first. */
  readonly reasons: readonly { readonly tasks: number; readonly reason: string; readonly example: string }[]
}

/** Looks up every key that can be known now, and explains how missing keys differ from those in the store.
 *  @param listings  contents of the plan's folders, if known
 *  @throws Failure if the store cannot be read */
export async function forecast(
  plan: FrozenPlan,
  store: Store,
  loaded: Loaded,
  listings?: Listings,
): Promise<StageForecast[]> {
  const records = [...(await readRecords(store)).values()].map(({ record }) => record)
  const find = nearestAmong(records)
  const said = new Map<string, Promise<string>>()
  /** Explains why there is no record for a key. */
  const why = async (stage: string, components: Components): Promise<string> => {
    const found = find(components)
    if (!found) return 'never done before'
    // Many tasks have the same differences, so their description is kept.
    const key = JSON.stringify([stage, found.differences])
    if (!said.has(key))
      said.set(key, changesInWords(found.differences, stage, { plan, store, ...(listings && { listings }) }).then(few))
    return said.get(key)!
  }
  const stages: StageForecast[] = []
  for await (const known of walk(plan, withoutWriting(store), loaded, {}, true))
    stages.push(await describe(known, records, why))
  return stages
}

const few = (words: readonly string[]) =>
  words.length > 4 ? `${words.slice(0, 4).join(', ')} and ${words.length - 4} more` : words.join(', ')

async function describe(
  known: KnownStage,
  records: readonly TaskRecord[],
  why: (stage: string, components: Components) => Promise<string>,
): Promise<StageForecast> {
  const { name, needs, uses } = known.planned
  const base = { stage: name, needs, reused: 0, secondsSaved: 0, secondsEach: null }
  const because = (reason: string) => [{ tasks: 1, reason, example: name }]
  switch (known.kind) {
    case 'unknown':
      return { ...base, tasks: 'unknown', reasons: because(`unknown until ${known.until.join(' and ')} has run`) }
    case 'unplanned':
      return { ...base, tasks: 'unknown', reasons: because(await why(name, known.key.components)) }
    case 'planned': {
      const there = known.tasks.flatMap(({ record }) => record ?? [])
      const missing = known.tasks.filter(({ record }) => !record)
      const reasons = new Map<string, { tasks: number; reason: string; example: string }>()
      for (const { key, task } of missing) {
        const reason = await why(name, key.components)
        const counted = reasons.get(reason) ?? { tasks: 0, reason, example: task.id }
        reasons.set(reason, { ...counted, tasks: counted.tasks + 1 })
      }
      const ofStage = records.filter(({ components }) => components.stage === uses && components.kind === 'run')
      const alike = there.length > 0 ? there : ofStage
      const seconds = (list: readonly TaskRecord[]) => list.reduce((n, record) => n + record.seconds, 0)
      return {
        ...base,
        tasks: known.tasks.length,
        reused: there.length,
        secondsSaved: seconds(there),
        secondsEach: alike.length > 0 ? seconds(alike) / alike.length : null,
        reasons: [...reasons.values()].sort((a, b) => b.tasks - a.tasks),
      }
    }
  }
}
