import { Failure, type Outputs } from '../api/index.js'
import { entryOf } from '../errors/foreign.js'
import { walk, withoutWriting } from '../lineage/walk.js'
import { describedTypes } from '../plugins/loading/load.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import { outputsOf } from './outcome.js'
import { startAgain, type RunDocument } from './runs.js'
import { typed } from './typed.js'

/** The stages of a run that are done, with their outputs, whether the run is at work, paused or has ended; and the others. */
export interface OutputsSoFar {
  readonly done: Readonly<Record<string, Outputs>>
  readonly missing: readonly string[]
}

/** Finds the outputs of stages by the records in the store. */
export async function outputsSoFar(store: Store, document: RunDocument): Promise<OutputsSoFar> {
  if (document.outputs) return { done: await outputsOf(store, document), missing: [] }
  const plan = (await store.readJson(document.plan)) as FrozenPlan
  const lookup = withoutWriting(store)
  const done = new Map<string, Outputs>()
  for (const [name, ref] of Object.entries(document.given ?? {})) done.set(name, (await store.readJson(ref)) as Outputs)
  for await (const { planned, ...known } of walk(plan, lookup, await describedTypes(plan), document.given))
    if (known.kind === 'planned' && known.outputs)
      done.set(planned.name, (await lookup.readJson(known.outputs)) as Outputs)
  const missing = plan.stages.map(({ name }) => name).filter((name) => !done.has(name))
  return { done: Object.fromEntries(done), missing }
}

/**
 * The outputs of a stage of a run as soon as it is done.
 * @param thing  what they are wanted for, for people: `scores`
 * @throws Failure InvalidInput where the run has no such stage, or it is not done
 */
export async function outputsOfStage(
  store: Store,
  document: RunDocument,
  name: string,
  thing: string,
): Promise<Outputs> {
  const { run } = document
  const { done, missing } = await outputsSoFar(store, document)
  const outputs = entryOf(done, name)
  if (outputs) return outputs
  if (!missing.includes(name)) throw new Failure('InvalidInput', `The run "${run}" has no ${thing}`)
  throw new Failure('InvalidInput', `The run "${run}" has no ${thing} yet: stage ${name} is not done`, {
    remedy: `See where it stands with \`${typed('status', run)}\`, or continue it: \`${startAgain(document)}\`.`,
  })
}
