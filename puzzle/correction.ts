import type { Evaluation, Predicted } from './evaluation.js'
import type { Limit } from './limit.js'

/** By limit: the predicted value to aim at, as a multiple of the limit, to meet it as measured. */
export type Correction = Readonly<Partial<Record<Limit['name'], number>>>

/** Tightens each limit on time by the factor by which the prediction was too optimistic, and one per cent. */
export function corrected(limits: readonly Limit[], before: Correction, { child, parent }: Evaluation): Correction {
  const next: Partial<Record<Limit['name'], number>> = { ...before }
  for (const limit of limits) {
    const own = kindness(limit.name, child)
    if (own === undefined) continue
    const factor = Math.max(1.005, (limit.unit === 'parent' ? own / kindness(limit.name, parent)! : own) * 1.01)
    next[limit.name] = limit.bound === 'min' ? factor : 1 / factor
  }
  return next
}

/** How many times better a model was predicted than measured; undefined for what is not a time. */
function kindness(name: Limit['name'], { throughput, prefill, tokenLatency }: Predicted): number | undefined {
  switch (name) {
    case 'throughput':
    case 'latency':
      return throughput.predicted / throughput.measured
    case 'prefill':
      return prefill.measured / prefill.predicted
    case 'tokenLatency':
      return tokenLatency.measured / tokenLatency.predicted
    case 'memory':
    case 'parameters':
      return undefined
  }
}
