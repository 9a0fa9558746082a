import { basename } from 'node:path'
import { stringify } from 'yaml'
import { Failure, type ArtifactRef, type JsonObject, type Outputs } from '../api/index.js'
import type { ComparedRun } from '../report/comparison.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import { digestJson } from '../store/digest.js'
import { latest } from './latest.js'
import type { Common } from './options.js'
import { pageDataOf, type PageData } from './report-data.js'
import { typed } from './typed.js'

/** Most runs that are compared at once: as many as a chart can tell apart. */
const mostRuns = 6

/**
 * Reads runs to compare them.
 * @throws Failure InvalidInput where one has nothing to compare, or there are too many
 */
export async function comparedRuns(store: Store, runs: readonly string[], options: Common): Promise<ComparedRun[]> {
  const twice = runs.find((run, i) => runs.indexOf(run) !== i)
  if (twice !== undefined) throw new Failure('InvalidInput', `The run "${twice}" is named twice`)
  if (runs.length > mostRuns)
    throw new Failure('InvalidInput', `${runs.length} runs are too many to compare`, {
      remedy: `Name at most ${mostRuns}.`,
    })
  const nameOf = fileNames()
  const found: ComparedRun[] = []
  for (const run of runs) {
    const document = await latest(store, run, options)
    const page = await pageDataOf(store, document)
    if (!page)
      throw new Failure('InvalidInput', `The run "${run}" is neither a search for a child nor a sweep`, {
        remedy: `See its result: \`${typed('result', run)}\`.`,
      })
    const plan = (await store.readJson(document.plan)) as FrozenPlan
    const prepared = document.outputs?.prepare && ((await store.readJson(document.outputs.prepare)) as Outputs)
    found.push(comparedRun(run, plan, page, prepared, nameOf))
  }
  return found
}

function comparedRun(
  run: string,
  plan: FrozenPlan,
  { kind, data }: PageData,
  prepared: Outputs | undefined,
  nameOf: NameOf,
): ComparedRun {
  const { model, target = {} } = plan.inputs as { model?: unknown; target?: JsonObject }
  const measuredOn = prepared && yardstick(plan, prepared, kind)
  return {
    run,
    parent: { name: basename(String(model)), digest: plan.inputDigests.model ?? '' },
    scenario: inWords(target.scenarios ?? target.scenario),
    ...(measuredOn !== undefined && { measuredOn }),
    ...(data.machine && { machine: inWords(data.machine) }),
    settings: settingsOf(plan, nameOf),
    seconds: data.stages.reduce((sum, { seconds }) => sum + seconds, 0),
    found: kind === 'search' ? { kind, result: data.result } : { kind, curve: data.sweep },
  }
}

/** Digest of the text and the items that quality was measured on. */
function yardstick({ stages }: FrozenPlan, { files }: Outputs, kind: PageData['kind']): string | undefined {
  const measures = stages.find(({ name }) => name === (kind === 'sweep' ? 'measure' : 'evaluate-child'))
  const isTest = measures?.params.split === 'test'
  const {
    validate,
    tasks,
    test = validate,
    testTasks = tasks,
  } = files as Readonly<Record<string, ArtifactRef | undefined>>
  const [text, items] = isTest ? [test, testTasks] : [validate, tasks]
  return digestJson({
    text: text?.digest ?? null,
    tasks: items?.digest ?? null,
    ...{ items: measures?.params.items ?? null, sequences: measures?.params.sequences ?? null },
  })
}

/** Every setting of a plan in words, by its path in the spec. */
function settingsOf(
  { pipeline, seed, inputs, inputDigests, stages }: FrozenPlan,
  nameOf: NameOf,
): Record<string, string> {
  const all: Record<string, string> = {
    pipeline,
    seed: String(seed),
    stages: stages.map(({ name }) => name).join(', '),
  }
  const add = (value: unknown, at: string): void => {
    const digest = inputDigests[at]
    if (digest !== undefined) all[at] = nameOf(digest, String(value))
    else if (!isMap(value) || isQuantity(value)) all[at] = inWords(value)
    else for (const [key, below] of Object.entries(value)) add(below, `${at}.${key}`)
  }
  for (const [name, value] of Object.entries(inputs)) add(value, name)
  for (const { name, params } of stages)
    for (const [key, value] of Object.entries(params)) add(value, `stages.${name}.${key}`)
  return all
}

const isMap = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

interface Quantity {
  readonly value: number
  readonly unit: string
  readonly bound?: 'min' | 'max'
}

const isQuantity = (value: unknown): value is Quantity => isMap(value) && 'value' in value && 'unit' in value

/** A value as a spec would say it, in one line. */
function inWords(value: unknown): string {
  if (isQuantity(value)) {
    const amount = value.unit === 'parent' ? `${value.value}x` : `${value.value} ${value.unit}`
    return value.bound === undefined ? amount : `${value.bound === 'min' ? '>=' : '<='} ${amount}`
  }
  return stringify(value ?? null, { collectionStyle: 'flow', flowCollectionPadding: true, lineWidth: 0 })
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
}

/** The name of a file or folder, by its digest. */
type NameOf = (digest: string, path: string) => string

/** Files with the same content have the same name, wherever they lie. */
function fileNames(): NameOf {
  const names = new Map<string, string>()
  return (digest, path) => {
    const name = names.get(digest) ?? `${basename(path)} (${digest.slice(0, 8)})`
    names.set(digest, name)
    return name
  }
}
