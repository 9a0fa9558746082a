import { stringify } from 'yaml'
import type { Outputs } from '../api/index.js'
import { walk, withoutWriting } from '../lineage/walk.js'
import { describedTypes } from '../plugins/loading/load.js'
import { runtime, type CostTable } from '../puzzle/costs.js'
import type {
  FirstRound,
  NamedRun,
  ReportData,
  RunFacts,
  ScoredVariant,
  SearchResult,
  ShownTexts,
  SweepData,
  TrainingPoint,
} from '../report/html/report-data.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { needName } from '../spec/need-name.js'
import type { Store } from '../store/index.js'
import { packageVersion } from '../store/paths.js'
import { engineVersion } from '../tensor/version.js'
import { outputsOf, resultAmong } from './outcome.js'
import { partialCurve } from './partial-curve.js'
import { startAgain, type RunDocument } from './runs.js'

/** What the page about a run is made of, by what the run looked for. */
export type PageData =
  { readonly kind: 'search'; readonly data: ReportData } | { readonly kind: 'sweep'; readonly data: SweepData }

/**
 * What the page about a run is made of; undefined where the run is neither a search for a child nor a sweep. That of a sweep is as
 * far as the sweep has come.
 * @throws Failure InvalidInput where a search has no result yet
 */
export async function pageDataOf(store: Store, document: RunDocument): Promise<PageData | undefined> {
  const plan = (await store.readJson(document.plan)) as FrozenPlan
  if (!document.outputs) {
    const sweep = await partialCurve(store, document)
    if (sweep)
      return {
        kind: 'sweep',
        data: { sweep: { ...named(document), ...sweep }, ...(await factsOf(store, document, plan)) },
      }
  }
  const outputs = await outputsOf(store, document)
  const result = await resultAmong(outputs, store, document)
  const has = (...keys: readonly string[]) => keys.every((key) => key in result)
  if (has('swept', 'points', 'comparedBy')) {
    const facts = await factsOf(store, document, plan, outputs)
    // eslint-disable-next-line no-restricted-syntax -- of this form by its schema, which tests check
    return { kind: 'sweep', data: { sweep: result as unknown as SweepData['sweep'], ...facts } }
  }
  if (!has('parent', 'child', 'solver', 'ratios')) return undefined
  const read = reader(store)
  const scores = await read<readonly ScoredVariant[]>(outputs.score, 'scores')
  const costs = await read<CostTable>(outputs.profile, 'costs')
  const training = await read<readonly TrainingPoint[]>(outputs.uptrain, 'curve')
  const texts = await read<ShownTexts>(outputs['evaluate-child'], 'texts')
  const firstRound = await firstRoundOf(plan, outputs, read)
  return {
    kind: 'search',
    data: {
      // eslint-disable-next-line no-restricted-syntax -- of this form by its schema, which tests check
      result: result as unknown as SearchResult,
      ...(await factsOf(store, document, plan, outputs)),
      ...(scores && { scores }),
      ...(costs && { costs: { attention: seconds(costs.attention), ffn: seconds(costs.ffn) } }),
      ...(training && { training }),
      ...(texts && { texts }),
      ...(firstRound && { firstRound }),
    },
  }
}

type Read = <T>(outputs: Outputs | undefined, file: string) => Promise<T | undefined>

const reader =
  (store: Store): Read =>
  async <T>(outputs: Outputs | undefined, file: string) => {
    const ref = outputs?.files[file]
    return ref && ((await store.readJson(ref)) as T)
  }

/** What the round came to whose child the stage `base` makes the next one's. */
async function firstRoundOf(
  { stages }: FrozenPlan,
  outputs: Readonly<Record<string, Outputs>>,
  read: Read,
): Promise<FirstRound | undefined> {
  const base = stages.find(({ uses }) => uses === 'base')
  if (!base) return undefined
  const before = (name: string, of = base) => {
    const stage = of.needs.find((need) => needName(of, need) === name)
    return stage === undefined ? undefined : outputs[stage]
  }
  const solve = base.needs.find((need) => needName(base, need) === 'solve')
  const solver = before('solve')?.values as FirstRound['solver'] | undefined
  if (!solver) return undefined
  const refined = before('refine')?.values as FirstRound['refined']
  const scores = await read<readonly ScoredVariant[]>(
    before(
      'score',
      stages.find(({ name }) => name === solve),
    ),
    'scores',
  )
  const training = await read<readonly TrainingPoint[]>(before('uptrain'), 'curve')
  return {
    solver,
    ...(refined && refined.evaluations > 0 && { refined }),
    ...(scores && { scores }),
    ...(training && { training }),
  }
}

const named = ({ run, specDigest }: RunDocument): NamedRun => ({ run, specDigest })

/** What every page says of its run. */
async function factsOf(
  store: Store,
  document: RunDocument,
  plan: FrozenPlan,
  outputs: Readonly<Record<string, Outputs>> = {},
): Promise<RunFacts> {
  const costs = outputs.profile?.files.costs
  const machine = costs && ((await store.readJson(costs)) as CostTable).fingerprint
  return {
    startedAt: document.startedAt,
    ...(await timesOf(store, document, plan)),
    spec: specOf(plan),
    command: startAgain(document),
    versions: { puzzleflow: packageVersion(), onnxruntime: engineVersion },
    ...(machine && { machine }),
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
): Promise<Pick<RunFacts, 'stages' | 'finishedAt'>> {
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
