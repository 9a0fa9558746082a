import type { Evaluation } from './evaluation.js'
import { limitId, onTime, scenarioIndex, type Limit } from './limit.js'
import { servedAt, type WithPredictions } from './served.js'

/** By limit (`limitId`): the predicted value to aim at, as a multiple of the limit, to meet it as measured. */
export type Correction = Readonly<Record<string, number>>

/** Tightens each limit on time by the factor by which the prediction was too optimistic, and one per cent. */
export function corrected(limits: readonly Limit[], before: Correction, evaluation: Evaluation): Correction {
  const next: Record<string, number> = { ...before }
  for (const limit of limits) {
    if (!onTime(limit)) continue
    const { parent, child } = servedAt(evaluation, scenarioIndex(limit))
    const own = kindness(limit.name, child)
    const factor = Math.max(1.005, (limit.unit === 'parent' ? own / kindness(limit.name, parent) : own) * 1.01)
    next[limitId(limit)] = limit.bound === 'min' ? factor : 1 / factor
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
