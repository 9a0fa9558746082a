import { batchChoices, type Batches } from './batches.js'
import { throughputOf, totalCost, type CostTable } from './costs.js'
import type { Target } from './inputs.js'
import type { Limit } from './limit.js'
import type { Loads } from './loads.js'
import { scenariosOf } from './scenarios.js'

/** Variants of a model by layer. */
type Layers = Parameters<typeof totalCost>[1]

type Serving = Pick<Target, 'scenario' | 'scenarios'>

/** The batch at which the parent serves best. */
export interface ParentBatch {
  readonly batch: number
  /** Whether its memory meets an absolute limit there. If it does at no batch, it serves at the fastest one all the same: a child
   *  is compared with a parent that this machine could not serve. */
  readonly fits: boolean
}

/**
 * What a child must bear.
 * @param tables  of the scenarios, or of the batches that the search may choose from, in their order
 * @param batches  of child and parent, where the target leaves them to the search
 */
export function loadsAt(target: Serving, tables: readonly CostTable[], batches?: Batches): Loads {
  const [first, ...rest] = scenariosOf(target, batches)
  if (!batches)
    return {
      ...{ scenario: first!.scenario, table: tables[0]! },
      ...(rest.length > 0 && { others: rest.map(({ scenario }, i) => ({ scenario, table: tables[i + 1]! })) }),
    }
  const tableOf = (batch: number) => tables[batchChoices(target)!.indexOf(batch)]!
  return { scenario: first!.scenario, table: tableOf(batches.child), parentTable: tableOf(batches.parent) }
}

/**
 * What a child must bear at each batch that the search may choose, beside the parent at its best one.
 * @returns one element where the target leaves no choice
 */
export function loadsAtEach(
  target: Serving,
  tables: readonly CostTable[],
  limits: readonly Limit[],
  parent: Layers,
): { readonly loads: readonly Loads[]; readonly parent?: ParentBatch } {
  const choices = batchChoices(target)
  if (!choices) return { loads: [loadsAt(target, tables)] }
  const best = parentBatch(choices, tables, limits, parent)
  return {
    loads: choices.map((child) => loadsAt(target, tables, { child, parent: best.batch })),
    parent: best,
  }
}

/** The batch at which the parent generates most tokens/s as predicted, of those where its memory meets the absolute limits; of
 *  equals, the one that the spec lists first. */
function parentBatch(
  choices: readonly number[],
  tables: readonly CostTable[],
  limits: readonly Limit[],
  parent: Layers,
): ParentBatch {
  const most = Math.min(
    ...limits.map(({ name, unit, value }) => (name === 'memory' && unit !== 'parent' ? value : Infinity)),
  )
  const served = choices.map((batch, i) => {
    const table = tables[i]!
    const cost = totalCost(table, parent)
    return { batch, fits: cost.memoryBytes <= most, throughput: throughputOf({ ...table.scenario, batch }, cost) }
  })
  const able = served.filter(({ fits }) => fits)
  const { batch, fits } = (able.length > 0 ? able : served).reduce((a, b) => (b.throughput > a.throughput ? b : a))
  return { batch, fits }
}
