import type { ArtifactRef, LeftOut, Outputs } from '../api/index.js'
import { batchesOf } from './batches.js'
import type { Described } from './hand-over.js'
import type { Limit } from './limit.js'
import { boundedCost, bounds, describeLimit, useOf, type Yard } from './limits.js'
import { yardsOf } from './loads.js'
import { choiceCost } from './predicted-speeds.js'
import type { ProblemParts, Solution } from './selection-problem.js'

/** A limit that a sweep gives several values. */
export type SweptLimit = Pick<Limit, 'bound' | 'unit'> & { readonly name: string }

/** What the selection problem has come to under one value of a swept limit. */
export type SweepPoint = InfeasiblePoint | SolvedPoint

/** A value of the limit that no choice of variants meets. */
export interface InfeasiblePoint {
  readonly status: 'infeasible'
  readonly value: number
  /** Which limits cannot be met, and by how much. */
  readonly reason: string
}

/** The best child under a value of the limit, as predicted. */
export interface SolvedPoint extends Described {
  /** `feasible`: time ran out before the solution was proven to be the best. */
  readonly status: 'optimal' | 'feasible'
  readonly value: number
  readonly bound: number
  readonly gap: number
  /** What the child reaches of the swept quantity, in the limit's unit. */
  readonly reaches: number
  /** Child / parent. */
  readonly ratios: { readonly throughput: number; readonly memory: number; readonly parameters: number }
}

/** The points of a sweep, in the order of the limit's values, and their children, each once. */
export type SweepOutputs = Outputs<
  { readonly points: readonly SweepPoint[]; readonly leftOut?: readonly LeftOut[] },
  { readonly children: ArtifactRef<readonly Solution[]> }
>

/** Predicts what a child reaches of a limited quantity, in the unit of the limit. */
export function reachOf(limit: Limit, parts: ProblemParts, { choice }: Pick<Solution, 'choice'>): number {
  const { table, library } = parts
  const [{ max }] = bounds([limit], yardsOf(parts, parts.parent)) as [ReturnType<typeof bounds>[0]]
  const cost = boundedCost[limit.name]
  const child = choiceCost(library, table, choice)
  // Lower limits are on speeds, the inverse of a cost; upper limits are on costs.
  const share = useOf(cost, child) / (max + useOf(cost, table.floor))
  return limit.bound === 'min' ? limit.value / share : limit.value * share
}

/** Predicted ratios of a child to its parent. */
export function predictedRatios(
  parts: ProblemParts,
  { predicted }: Pick<Solution, 'predicted'>,
): SolvedPoint['ratios'] {
  const [{ parent }] = yardsOf(parts, parts.parent) as [Yard]
  const { child, parent: batch } = batchesOf(parts.scenario) ?? { child: 1, parent: 1 }
  return {
    throughput: ((child / batch) * useOf('runtime', parent)) / predicted.runtime,
    memory: predicted.memoryBytes / parent.memoryBytes,
    parameters: predicted.parameters / parent.parameters,
  }
}

/** The limits of a point: the swept one with this value, in its place among the others. */
export function limitsAt(limits: readonly Limit[], swept: SweptLimit, value: number): Limit[] {
  // Names of limits are those that specs know (spec/limit-range.ts).
  const point = { ...swept, value } as Limit
  return limits.some(({ name }) => name === swept.name)
    ? limits.map((limit) => (limit.name === swept.name ? point : limit))
    : [...limits, point]
}

/** A point's limit in messages: `throughput >= 1.5x of the parent`. */
export const describePoint = (swept: SweptLimit, value: number): string => describeLimit({ ...swept, value } as Limit)

/** Id of the task that measures a child: points with the same child at the same batches, of whatever sweep, share it. */
export function measurementOf({ solutionDigest, batches }: Pick<Described, 'solutionDigest' | 'batches'>): string {
  const child = `child-${solutionDigest.replace(/^sha256[:-]/, '').slice(0, 16)}`
  return batches ? `${child}-batch-${batches.child}-${batches.parent}` : child
}
