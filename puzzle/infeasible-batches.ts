import type { Infeasibility } from '../solver/index.js'
import { batchesOf } from './batches.js'
import type { ChoiceRule } from './choices.js'
import { describeInfeasible, lackOf, type Bound, type Yard } from './limits.js'

/** Why no choice meets the limits, at one of the batches that the search may choose from. */
export interface UnmetAt {
  /** Sequences that the child serves at once; absent where they are not a choice. */
  readonly batch?: number
  readonly reason: string
  /** How far the limits are from what a choice reaches, as a share of them. */
  readonly lack: number
}

/** Translates the solver's reason to the spec's limits and rules. @param yards  at the batch */
export function unmetAt(
  limits: readonly Bound[],
  rules: readonly ChoiceRule[],
  yards: readonly Yard[],
  infeasible: Infeasibility | undefined,
): UnmetAt {
  const batches = batchesOf(yards[0]!.scenario)
  return {
    ...(batches && { batch: batches.child }),
    reason: describeInfeasible(limits, rules, yards, infeasible),
    lack: lackOf(limits, yards, infeasible),
  }
}

/** Why a search is infeasible: at no batch can its limits be met. @param all  at least one; each at another batch */
export function whyInfeasible(all: readonly UnmetAt[]): string {
  const { batch, reason } = all.reduce((a, b) => (b.lack < a.lack ? b : a))
  if (all.length === 1) return reason
  const batches = all.map((own) => own.batch)
  const listed = `${batches.slice(0, -1).join(', ')} and ${batches.at(-1)}`
  return `The limits cannot be met at any of the batches ${listed}; batch ${batch} comes nearest: ${reason}`
}
