import type { Scenario } from '../model/index.js'
import type { Target, TargetScenario } from './inputs.js'

/** Sequences that child and parent serve at once, where the search chooses them. */
export interface Batches {
  readonly child: number
  readonly parent: number
}

/** What a child serves, and its parent beside it: the same, but for the number of sequences at once where that was chosen. */
export interface PairScenario extends Scenario {
  /** Of the parent. @default `batch` */
  readonly parentBatch?: number
}

/** What the parent serves. */
export const parentScenario = ({ parentBatch, ...scenario }: PairScenario): Scenario => ({
  ...scenario,
  batch: parentBatch ?? scenario.batch,
})

/** What the child serves. */
export const childScenario = ({ parentBatch: _, ...scenario }: PairScenario): Scenario => scenario

/** The batches of child and parent, undefined where they were not chosen. */
export const batchesOf = ({ batch, parentBatch }: PairScenario): Batches | undefined =>
  parentBatch === undefined ? undefined : { child: batch, parent: parentBatch }

/** The batches that the search may choose from, in the order of the spec; undefined where the spec says which one it is. */
export function batchChoices({ scenario }: Pick<Target, 'scenario'>): readonly number[] | undefined {
  if (scenario === undefined || typeof scenario.batch === 'number') return undefined
  return scenario.batch
}

/** A target's scenario with the batches of child and parent, where they are a choice. */
export function withBatches({ batch, ...load }: TargetScenario, batches: Batches | undefined): PairScenario {
  if (typeof batch === 'number') return { ...load, batch }
  if (!batches) throw new Error('Internal error: a scenario whose batch is not chosen yet')
  return { ...load, batch: batches.child, parentBatch: batches.parent }
}

/** Some batches of child and parent, for what is the same whichever are chosen; undefined where they are not a choice. */
export function anyBatches(target: Pick<Target, 'scenario'>): Batches | undefined {
  const [first] = batchChoices(target) ?? []
  return first === undefined ? undefined : { child: first, parent: first }
}
