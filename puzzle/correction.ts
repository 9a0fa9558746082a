import type { Evaluation } from './evaluation.js'
import type { Limit } from './limit.js'

/** By limit: the predicted value to aim at, as a multiple of the limit, to meet it as measured. */
export type Correction = Readonly<Partial<Record<Limit['name'], number>>>

/** Tightens each limit on time by the factor by which the prediction was too optimistic, and one per cent. */
export function corrected(limits: readonly Limit[], before: Correction, { child, parent }: Evaluation): Correction {
  const next: Partial<Record<Limit['name'], number>> = { ...before }
  for (const limit of limits) {
    const { predicted, measured } = child.throughput
    if (limit.name !== 'throughput' && limit.name !== 'latency') continue
    const own = predicted / measured
    const kindness = limit.unit === 'parent' ? own / (parent.throughput.predicted / parent.throughput.measured) : own
    const factor = Math.max(1.005, kindness * 1.01)
    next[limit.name] = limit.name === 'throughput' ? factor : 1 / factor
  }
  return next
}
