import { totalCost, throughputOf, tokenLatencyOf, type Cost, type CostTable } from './costs.js'
import type { Choice, LibraryEntry } from './library.js'
import { loadsOf, parentLoad, type Load, type Loads } from './loads.js'
import type { Speeds } from './speed.js'

/** Predicted speeds of the parent and a child. */
export interface PredictedSpeeds {
  readonly parent: Speeds
  readonly child: Speeds
  /** In the scenarios after the first; absent if there are none. */
  readonly others?: readonly Omit<PredictedSpeeds, 'others'>[]
}

/** Predicts the costs of a choice of entries. */
export function choiceCost(library: ReadonlyMap<string, LibraryEntry>, table: CostTable, choice: Choice): Cost {
  const variant = (id: string) => library.get(id)!.variant
  return totalCost(
    table,
    choice.map((own) => ({ attention: variant(own.attention), ffn: variant(own.ffn) })),
  )
}

/** Predicts the speeds of the parent and of a solution. */
export function predictedSpeeds(
  {
    library,
    parent,
    ...loads
  }: Loads & {
    readonly library: ReadonlyMap<string, LibraryEntry>
    readonly parent: Parameters<typeof totalCost>[1]
  },
  { choice, predicted }: { readonly choice: Choice; readonly predicted: { readonly throughput: number } },
): PredictedSpeeds {
  const speeds = ({ scenario }: Load, cost: Cost): Speeds => ({
    throughput: throughputOf(scenario, cost),
    prefill: cost.prefillSeconds,
    tokenLatency: tokenLatencyOf(scenario, cost),
  })
  const [first, ...others] = loadsOf(loads).map((load) => ({
    parent: speeds(parentLoad(load), totalCost(parentLoad(load).table, parent)),
    child: speeds(load, choiceCost(library, load.table, choice)),
  }))
  return {
    parent: first!.parent,
    child: { ...first!.child, throughput: predicted.throughput },
    ...(others.length > 0 && { others }),
  }
}
