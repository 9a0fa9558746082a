import { parentScenario, type PairScenario } from './batches.js'
import { addCosts, totalCost, type CostTable } from './costs.js'
import { scenarioIndex, type Limit } from './limit.js'
import { boundedCost, costId, useOf, type BoundedCost, type Yard } from './limits.js'

/** A scenario, and what blocks cost in it. */
export interface Load {
  readonly scenario: PairScenario
  readonly table: CostTable
  /** What they cost the parent, where it serves another batch. @default `table` */
  readonly parentTable?: CostTable
}

/** The scenarios that a child must bear: the first one, and the others in their order. */
export interface Loads extends Load {
  /** Absent where there is only one. */
  readonly others?: readonly Load[]
}

/** All scenarios in their order. */
export const loadsOf = ({ scenario, table, parentTable, others = [] }: Loads): readonly Load[] => [
  { scenario, table, ...(parentTable && { parentTable }) },
  ...others,
]

/** The scenarios themselves. */
export const scenariosIn = (loads: Loads): readonly PairScenario[] => loadsOf(loads).map(({ scenario }) => scenario)

/** The same as the parent serves it. */
export const parentLoad = ({ scenario, table, parentTable = table }: Load): Load => ({
  scenario: parentScenario(scenario),
  table: parentTable,
})

/** What limits are judged against in each scenario. @param parent  variants by layer */
export const yardsOf = (loads: Loads, parent: Parameters<typeof totalCost>[1]): Yard[] =>
  loadsOf(loads).map((load) => ({
    scenario: load.scenario,
    floor: load.table.floor,
    parent: totalCost(parentLoad(load).table, parent),
  }))

/** Costs by which every search's problem describes its options. */
const always = ['runtime', 'memory', 'parameters'] as const

/**
 * What the blocks of an option use. Seconds of prefill or decoding alone, and what other scenarios than the first take, are
 * listed only where a limit bounds them, so that the problems of other searches stay as they are.
 * @param pair  variant ids
 */
export function optionCosts(
  loads: Loads & { readonly limits: readonly Limit[] },
  pair: { readonly attention: string; readonly ffn: string },
): Readonly<Record<string, number>> {
  const uses = loadsOf(loads).map(({ table }) => addCosts(table.attention[pair.attention]!, table.ffn[pair.ffn]!))
  const costs = new Map<string, readonly [kind: BoundedCost, load: number]>(always.map((kind) => [kind, [kind, 0]]))
  for (const limit of loads.limits) costs.set(costId(limit), [boundedCost[limit.name], scenarioIndex(limit)])
  return Object.fromEntries([...costs].map(([id, [kind, load]]) => [id, useOf(kind, uses[load]!)]))
}
