import { addCosts, type CostTable } from './costs.js'
import type { Limit } from './limit.js'
import { boundedCost, useOf, type BoundedCost } from './limits.js'

/** Costs by which every search's problem describes its options. */
const always = ['runtime', 'memory', 'parameters'] as const

/**
 * What the blocks of an option use. Seconds of prefill or decoding alone are listed only where a limit bounds them, so that the
 * problems of other searches stay as they are.
 * @param pair  variant ids
 */
export function optionCosts(
  { table, limits }: { readonly table: CostTable; readonly limits: readonly Limit[] },
  pair: { readonly attention: string; readonly ffn: string },
): Readonly<Partial<Record<BoundedCost, number>>> {
  const use = addCosts(table.attention[pair.attention]!, table.ffn[pair.ffn]!)
  const kinds = new Set<BoundedCost>([...always, ...limits.map(({ name }) => boundedCost[name])])
  return Object.fromEntries([...kinds].map((cost) => [cost, useOf(cost, use)]))
}
