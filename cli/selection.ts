import { walk } from '../lineage/walk.js'
import { Failure } from '../api/index.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { digestJson } from '../store/digest.js'
import type { ArtifactRef, Store } from '../store/index.js'
import { typed } from './typed.js'

/** Stages that a user asks for; all by default. */
export interface Selection {
  /** This one and those that come after it. */
  readonly from?: string
  /** This one and those that it needs. */
  readonly until?: string
  /** This one alone. */
  readonly only?: string
}

export interface SelectedPlan {
  /** The plan, reduced to the stages that will run: another plan, with another digest. */
  readonly plan: FrozenPlan
  /** Outputs of stages that are not run but needed. */
  readonly given: Readonly<Record<string, ArtifactRef>>
}

/** Cuts a plan down. What is left out but needed must be in the store.
 *  @param command  words that run the plan, for hints
 *  @throws Failure InvalidInput naming what is not there */
export async function selectStages(
  plan: FrozenPlan,
  selection: Selection,
  store: Store,
  loaded: Loaded,
  command: readonly string[] = ['run', plan.specFile],
): Promise<SelectedPlan> {
  const { from, until, only } = selection
  for (const name of [from, until, only]) if (name !== undefined) checkName(plan, name)
  if (only !== undefined && (from !== undefined || until !== undefined))
    throw new Failure('InvalidInput', '--only cannot be combined with --from or --until', {
      remedy: 'Give one or the other.',
    })
  const after = from === undefined ? undefined : downstream(plan, from)
  const before = until === undefined ? undefined : upstream(plan, until)
  const chosen = plan.stages.filter(
    ({ name }) => (only === undefined || name === only) && (after?.has(name) ?? true) && (before?.has(name) ?? true),
  )
  if (chosen.length === 0)
    throw new Failure('InvalidInput', `No stage comes after ${from} and before ${until}`, {
      remedy: `The order is ${plan.stages.map(({ name }) => name).join(', ')}.`,
    })
  if (chosen.length === plan.stages.length) return { plan, given: {} }
  const names = new Set(chosen.map(({ name }) => name))
  const wanted = new Set(chosen.flatMap(({ needs }) => needs).filter((need) => !names.has(need)))
  const given: Record<string, ArtifactRef> = {}
  if (wanted.size > 0)
    for await (const known of walk(plan, store, loaded))
      if (wanted.has(known.planned.name) && known.kind === 'planned' && known.outputs)
        given[known.planned.name] = known.outputs
  const missing = [...wanted].filter((name) => !(name in given))
  if (missing.length > 0)
    throw new Failure('InvalidInput', `The store does not have the outputs of ${missing.join(' and ')}`, {
      remedy: `Run ${missing.length > 1 ? 'them' : 'it'} first: \`${typed(...command, '--until', missing.at(-1)!)}\`.`,
    })
  return { plan: { ...plan, stages: chosen, digest: digestJson({ plan: plan.digest, ...selection }) }, given }
}

function checkName({ stages }: FrozenPlan, name: string): void {
  const names = stages.map((stage) => stage.name)
  if (!names.includes(name))
    throw new Failure('InvalidInput', `There is no stage "${name}"`, { remedy: `Stages: ${names.join(', ')}.` })
}

function upstream({ stages }: FrozenPlan, name: string): ReadonlySet<string> {
  const selected = new Set<string>()
  const add = (need: string) => {
    selected.add(need)
    stages.find((stage) => stage.name === need)!.needs.forEach(add)
  }
  add(name)
  return selected
}

function downstream({ stages }: FrozenPlan, name: string): ReadonlySet<string> {
  const selected = new Set([name])
  // In the order of the plan those that a stage needs come before it.
  for (const stage of stages) if (stage.needs.some((need) => selected.has(need))) selected.add(stage.name)
  return selected
}
