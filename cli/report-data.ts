import { stringify } from 'yaml'
import type { Outputs } from '../api/index.js'
import { walk, withoutWriting } from '../lineage/walk.js'
import { describedTypes } from '../plugins/loading/load.js'
import { runtime, type CostTable } from '../puzzle/costs.js'
import type { ReportData, ScoredVariant, SearchResult, TrainingPoint } from '../report/html/report-data.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import { packageVersion } from '../store/paths.js'
import { engineVersion } from '../tensor/version.js'
import { outputsOf, resultAmong } from './outcome.js'
import { startAgain, type RunDocument } from './runs.js'

/**
 * What the page about a run is made of; undefined where the run is not a search for a child.
 * @throws Failure InvalidInput where it has no result yet
 */
export async function reportDataOf(store: Store, document: RunDocument): Promise<ReportData | undefined> {
  const outputs = await outputsOf(store, document)
  const result = await resultAmong(outputs, store, document)
  if (!['parent', 'child', 'solver', 'ratios'].every((key) => key in result)) return undefined
  const plan = (await store.readJson(document.plan)) as FrozenPlan
  const read = async <T>(own: Outputs | undefined, file: string): Promise<T | undefined> => {
    const ref = own?.files[file]
    return ref && ((await store.readJson(ref)) as T)
  }
  const scores = await read<readonly ScoredVariant[]>(outputs.score, 'scores')
  const costs = await read<CostTable>(outputs.profile, 'costs')
  const training = await read<readonly TrainingPoint[]>(outputs.uptrain, 'curve')
  const { stages, finishedAt } = await timesOf(store, document, plan)
  return {
    // eslint-disable-next-line no-restricted-syntax -- of this form by its schema, which tests check
    result: result as unknown as SearchResult,
    startedAt: document.startedAt,
    ...(finishedAt !== undefined && { finishedAt }),
    spec: specOf(plan),
    command: startAgain(document),
    versions: { puzzleflow: packageVersion(), onnxruntime: engineVersion },
    ...(scores && { scores }),
    ...(costs && {
      machine: costs.fingerprint,
      costs: { attention: seconds(costs.attention), ffn: seconds(costs.ffn) },
    }),
    ...(training && { training }),
    stages,
  }
}

const seconds = (costs: CostTable['attention']): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(costs).map(([variant, cost]) => [variant, runtime(cost)]))

/** A plan as a spec would say it. */
const specOf = ({ name, pipeline, seed, inputs, stages }: FrozenPlan): string =>
  stringify({
    ...{ name, pipeline, seed, ...inputs },
    stages: Object.fromEntries(
      stages.flatMap(({ name, params }) => (Object.keys(params).length === 0 ? [] : [[name, params]])),
    ),
  })

/** How long the tasks of each stage took, and when the last one ended. */
async function timesOf(
  store: Store,
  document: RunDocument,
  plan: FrozenPlan,
): Promise<Pick<ReportData, 'stages' | 'finishedAt'>> {
  const stages: { stage: string; seconds: number; tasks: number }[] = []
  let finishedAt: string | undefined
  for await (const known of walk(plan, withoutWriting(store), await describedTypes(plan), document.given)) {
    const records = known.kind === 'planned' ? known.tasks.flatMap(({ record }) => record ?? []) : []
    const total = records.reduce((sum, record) => sum + record.seconds, 0)
    stages.push({ stage: known.planned.name, seconds: total, tasks: records.length })
    for (const record of records)
      if (finishedAt === undefined || record.finishedAt > finishedAt) finishedAt = record.finishedAt
  }
  return { stages, ...(finishedAt !== undefined && { finishedAt }) }
}
