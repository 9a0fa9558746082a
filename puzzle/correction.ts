import type { PairScenario } from './batches.js'
import type { Evaluation } from './evaluation.js'
import { halfWidth, judgeLimits, shrinkage } from './judge-limits.js'
import { limitId, onTime, scenarioIndex, type Limit } from './limit.js'
import { servedAt, type WithPredictions } from './served.js'

/** By limit (`limitId`): the predicted value to aim at, as a multiple of the limit, to meet it as measured. */
export type Correction = Readonly<Record<string, number>>

/** How far a limit is tightened for the width of an interval, at most: on a machine so busy that an interval is wider, a much
 *  faster child would be no surer, and worse. */
const mostReach = 1.25

/**
 * Tightens each limit on time by the factor by which the prediction was too optimistic, and one per cent; and by the share by
 * which the measured interval reaches beyond the value, up to a quarter, since a child is accepted for the whole of its interval.
 * @param mostPairs  up to which the next child will be timed: more pairs than this one's make its interval narrower
 */
export function corrected(
  limits: readonly Limit[],
  before: Correction,
  evaluation: Evaluation,
  scenarios: readonly PairScenario[],
  mostPairs = 0,
): Correction {
  const next: Record<string, number> = { ...before }
  const judged = judgeLimits(limits, scenarios, evaluation)
  for (const [i, limit] of limits.entries()) {
    if (!onTime(limit)) continue
    const { parent, child, timing } = servedAt(evaluation, scenarioIndex(limit))
    const own = kindness(limit.name, child)
    const factor = Math.max(1.005, (limit.unit === 'parent' ? own / kindness(limit.name, parent) : own) * 1.01)
    const width = halfWidth(judged[i]!, limit.bound) * shrinkage(timing.child.length, mostPairs)
    const { value } = judged[i]!
    // Of a few pairs, an interval may say nothing.
    const reach = width < value ? (limit.bound === 'min' ? value / (value - width) : (value + width) / value) : 1
    const aim = factor * Math.min(reach, mostReach)
    next[limitId(limit)] = limit.bound === 'min' ? aim : 1 / aim
  }
  return next
}

/** How many times better a model was predicted than measured. */
function kindness(name: Limit['name'], { throughput, prefill, tokenLatency }: WithPredictions): number {
  switch (name) {
    case 'prefill':
      return prefill.measured / prefill.predicted
    case 'tokenLatency':
      return tokenLatency.measured / tokenLatency.predicted
    default:
      return throughput.predicted / throughput.measured
  }
}
