import { mkdirSync, writeFileSync } from 'node:fs'
import { withoutWriting, walk, type KnownTask } from '../lineage/walk.js'
import { describedTypes } from '../plugins/loading/load.js'
import type { Evaluation, Measured } from '../puzzle/evaluation.js'
import type { TargetInput } from '../puzzle/inputs.js'
import { limitsOf } from '../puzzle/scenarios.js'
import { curveOf, type SweepCurve } from '../puzzle/sweep-curve.js'
import type { SweepPoint, SweptLimit } from '../puzzle/sweep-point.js'
import { curveTable } from '../report/curve.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import { outcomeFolder, placeWhole } from './outcome.js'
import type { RunDocument } from './runs.js'

/** The curve of a sweep as far as the store knows it, whichever worker does the tasks. Undefined for other runs. */
export async function partialCurve(store: Store, document: RunDocument): Promise<SweepCurve | undefined> {
  const plan = (await store.readJson(document.plan)) as FrozenPlan
  const sweep = plan.stages.find(({ uses }) => uses === 'sweep')
  if (!sweep) return undefined
  const tasks = new Map<string, readonly KnownTask[]>()
  for await (const known of walk(plan, withoutWriting(store), await describedTypes(plan), document.given))
    if (known.kind === 'planned') tasks.set(known.planned.name, known.tasks)
  const values = <T>(stage: string): [id: string, values: T][] =>
    (tasks.get(stage) ?? []).flatMap(({ task, record }) =>
      record ? [[task.id, typedAs<T>(record.outputs.values)]] : [],
    )
  const { target } = typedAs<TargetInput>(plan.inputs)
  const { limit, values: swept } = typedAs<{ limit: SweptLimit; values: readonly number[] }>(sweep.params)
  const measure = plan.stages.find(({ name }) => name === 'measure')
  return curveOf({
    swept: limit,
    values: swept,
    limits: limitsOf(target),
    scenario: target.scenario!,
    points: values<SweepPoint>(sweep.name).map(([, point]) => point),
    measures: measure !== undefined,
    measurements: new Map(measure ? values<Evaluation<Measured>>(measure.name) : []),
  })
}

/** JSON of stages whose types are known here. */
// eslint-disable-next-line no-restricted-syntax -- records and plans hold any JSON; the stage's name says which
const typedAs = <T>(json: Readonly<Record<string, unknown>>): T => json as unknown as T

/** Writes a curve to `runs/RUN/`, each file whole. */
export function writeCurve(run: string, curve: SweepCurve): void {
  const folder = outcomeFolder(run)
  mkdirSync(folder, { recursive: true })
  const place = (name: string, text: string) => placeWhole(folder, name, (path) => writeFileSync(path, text))
  place('curve.json', `${JSON.stringify(curve, null, 2)}\n`)
  place('curve.csv', curveTable(curve))
}
