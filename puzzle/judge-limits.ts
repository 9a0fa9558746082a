import type { PairScenario } from './batches.js'
import { onTime, scenarioIndex, type Limit } from './limit.js'
import { describeLimit } from './limits.js'
import type { Evaluation, Measured } from './evaluation.js'
import { servedAt, withServedAt, withTiming } from './served.js'
import {
  errorOf,
  joined,
  mostPairs,
  speedsOf,
  type Estimate,
  type PairedPasses,
  type TimeMore,
  type TimingParams,
} from './speed.js'

/** A limit, and whether the child meets it. */
export interface Judged {
  readonly limit: string
  /** Whether the whole interval is on the right side. */
  readonly held: boolean
  /** The measured value (for sizes, the prediction, which is exact), in the limit's unit. */
  readonly value: number
  /** Confidence interval of the value. Absent for sizes. */
  readonly interval?: readonly [low: number, high: number]
  readonly wanted: number
  /** How far the interval's worse end is from the limit, as a share of it. Absent if the limit is met. */
  readonly missedBy?: number
}

/** Compares limits with measurements; relative limits, with the parent measured in the same sessions. */
export function judgeLimits(
  limits: readonly Limit[],
  scenarios: readonly PairScenario[],
  evaluation: Evaluation<Measured>,
): Judged[] {
  const speeds = scenarios.map((scenario, i) => speedsOf(scenario, servedAt(evaluation, i).timing))
  const exact = (value: number): Estimate => ({ value, low: value, high: value })
  return limits.map((limit) => {
    const index = scenarioIndex(limit)
    const { throughput, prefill, tokenLatency } = speeds[index]!
    const { child, ratios } = servedAt(evaluation, index)
    const { batch, parentBatch = batch, generate } = scenarios[index]!
    const relative = limit.unit === 'parent'
    const measured = {
      throughput: relative ? throughput.ratio : throughput.child,
      prefill: relative ? prefill.ratio : prefill.child,
      tokenLatency: relative ? tokenLatency.ratio : tokenLatency.child,
      latency: relative ? inverse(batch / parentBatch, throughput.ratio) : inverse(batch * generate, throughput.child),
      memory: exact(relative ? ratios.memory : child.memoryBytes),
      parameters: exact(relative ? evaluation.ratios.parameters : evaluation.child.parameters),
    }[limit.name]
    const { value, low, high } = measured
    const missedBy = limit.bound === 'min' ? limit.value / Math.max(low, 0) - 1 : high / limit.value - 1
    return {
      limit: describeLimit(limit),
      held: missedBy <= 0,
      value,
      ...(onTime(limit) && { interval: [low, high] as const }),
      wanted: limit.value,
      ...(missedBy > 0 && { missedBy }),
    }
  })
}

/** Time from speed. */
const inverse = (numerator: number, { value, low, high }: Estimate): Estimate => ({
  value: numerator / value,
  low: numerator / high,
  high: low > 0 ? numerator / low : Infinity,
})

/** A limit on time that asks for a little more. @param headroom  0.01: one per cent */
export const tightened = (limit: Limit, headroom: number): Limit =>
  onTime(limit) ? { ...limit, value: limit.value * (limit.bound === 'min' ? 1 + headroom : 1 / (1 + headroom)) } : limit

/** How far the worst of the limits is missed, as a share of it; 0: all are held. */
export const shortfall = (judged: readonly Judged[]): number =>
  Math.max(0, ...judged.map(({ missedBy = 0 }) => missedBy))

/** Parameters of a sequential test. */
export interface Deciding extends Omit<TimingParams, 'threads'> {
  readonly limits: readonly Limit[]
  /** Whether to stop as soon as a limit will hardly be shown to be met, as where there are other children. @default false */
  readonly giveUp?: boolean
}

/** About how wide the interval of so many pairs will be once there are `most`: order statistics close in faster than by the root. */
export const shrinkage = (pairs: number, most: number): number => (pairs >= most ? 1 : 0.8 * Math.sqrt(pairs / most))

/** How far the interval's end on the limit's side is from the value. */
export const halfWidth = ({ value, interval: [low, high] = [value, value] }: Judged, bound: Limit['bound']): number =>
  bound === 'min' ? value - low : high - value

/** Whether the interval of `most` pairs will hardly be on the right side of the limit, even if the value still improves. */
function isHopeless(judged: Judged, { bound }: Limit, pairs: number, most: number): boolean {
  const slack = (judged.value - judged.wanted) * (bound === 'min' ? 1 : -1)
  const width = halfWidth(judged, bound)
  return Number.isFinite(width) && slack + width * (0.2 - shrinkage(pairs, most)) < 0
}

/**
 * Times parent and child for longer, each time as many pairs again, until every limit on time is decided: its interval does
 * not contain the limit. A sequential test, in one scenario after the other; a limit that is still open in the end is not held.
 * Giving up makes it stricter, never laxer.
 */
export async function decided<E extends Evaluation<Measured>>(
  evaluation: E,
  time: TimeMore,
  scenarios: readonly PairScenario[],
  { limits, retime, repetitions, giveUp = false }: Deciding,
  progress: (message: string) => void = () => {},
): Promise<E> {
  const error = errorOf({ retime })
  let now = evaluation
  for (const [index, scenario] of scenarios.entries()) {
    const ofTime = limits.filter((limit) => onTime(limit) && scenarioIndex(limit) === index)
    const passes = () => servedAt<Measured>(now, index).timing
    const set = (timing: PairedPasses) => {
      now = withServedAt(now, index, withTiming(servedAt<Measured>(now, index), scenario, timing))
    }
    const most = mostPairs({ repetitions, retime }, passes().child.length)
    set({ ...passes(), error })
    for (;;) {
      const have = passes().child.length
      const judged = judgeLimits(ofTime, scenarios, now)
      if (!judged.some(isOpen) || have >= most) break
      if (giveUp && judged.some((one, i) => isHopeless(one, ofTime[i]!, have, most))) return now
      const pairs = Math.min(have, most - have)
      const say = (pair: number) => progress(`timing again, pair ${pair} of ${pairs}: a limit is within the interval`)
      set(joined(passes(), await time(scenario, { pairs, error }, say)))
    }
  }
  return now
}

const isOpen = ({ interval, wanted }: Judged): boolean =>
  interval !== undefined && interval[0] < wanted && wanted <= interval[1]
