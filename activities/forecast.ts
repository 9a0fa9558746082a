import type { Outputs, TaskPlan } from '../plugins/api/index.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { ArtifactRef, Digest, Store } from '../store/index.js'
import { gatherKey, planKey, stageParams, taskKey } from './keys.js'

/** What a run of a plan would do with a stage, as far as the store tells. */
export interface StageForecast {
  readonly stage: string
  readonly needs: readonly string[]
  /** Unknown until the stages it needs have run. */
  readonly tasks: number | 'unknown'
  readonly reused: number
  /** Seconds that the reused tasks took. */
  readonly secondsSaved: number
  /** Why tasks will run. */
  readonly reason: string
}

/** Looks up every key that can be known now. */
export async function forecast(plan: FrozenPlan, store: Store, loaded: Loaded): Promise<StageForecast[]> {
  const outputs = new Map<string, { ref: ArtifactRef; value: Outputs }>()
  const result: StageForecast[] = []
  for (const planned of plan.stages) {
    const { name, needs } = planned
    const unknown = needs.filter((need) => !outputs.has(need))
    const report = (more: Partial<StageForecast>) =>
      result.push({ stage: name, needs, tasks: 'unknown', reused: 0, secondsSaved: 0, reason: '', ...more })
    if (unknown.length > 0) {
      report({ reason: `unknown until ${unknown.join(' and ')} has run` })
      continue
    }
    const refs = Object.fromEntries(needs.map((need) => [need, outputs.get(need)!.ref]))
    const values = Object.fromEntries(needs.map((need) => [need, outputs.get(need)!.value]))
    const stage = loaded.stage(planned.uses)
    const parts = { plan, planned, stage, params: stageParams(planned, values), outputs: refs }
    const listed = await store.getRecord(planKey(parts).key)
    if (!listed) {
      report({ reason: 'never planned with these inputs and parameters' })
      continue
    }
    const tasks = (await store.readJson(listed.outputs.files.tasks!)) as TaskPlan[]
    const keys: Digest[] = tasks.map((task) => taskKey(parts, task).key)
    const records = await Promise.all(keys.map((key) => store.getRecord(key)))
    const reused = records.filter((record) => record !== undefined)
    const gathered = await store.getRecord(gatherKey(parts, keys).key)
    report({
      tasks: tasks.length,
      reused: reused.length,
      secondsSaved: reused.reduce((n, record) => n + record.seconds, 0),
      reason: reused.length === tasks.length ? 'all in the store' : `${tasks.length - reused.length} not in the store`,
    })
    if (gathered) {
      const value = { values: gathered.outputs.values, files: gathered.outputs.files } as Outputs
      outputs.set(name, { ref: await store.putJson('outputs', value), value })
    }
  }
  return result
}
