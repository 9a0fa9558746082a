import type { Evaluation, Measured } from './evaluation.js'
import type { Target } from './inputs.js'
import { judgeLimits, shortfall, type Judged } from './judge-limits.js'
import type { Limit } from './limit.js'
import { describeLimit } from './limits.js'
import {
  boundMet,
  judgeQuality,
  qualityBounds,
  qualityShortfall,
  whyTooPoor,
  type JudgedQuality,
  type QualityBound,
} from './quality.js'
import { rounded, short } from './rounding.js'
import { limitsOf, scenariosOf } from './scenarios.js'

/** Whether a child is accepted, and why not. */
export interface Verdict {
  readonly limits: readonly Judged[]
  /** One for each bound of the target. */
  readonly quality: readonly JudgedQuality[]
  /** None: it is accepted. */
  readonly reasons: readonly string[]
  /** The target that would accept this child, where it differs: `throughput >= 2.1x of the parent`. */
  readonly wouldTake: readonly string[]
}

/** Judges a child by every limit of a target and its bounds on quality.
 *  @param bounds  on quality. @default those of the target */
export function judge(
  target: Target,
  evaluation: Evaluation<Measured>,
  bounds: readonly QualityBound[] = qualityBounds(target),
): Verdict {
  const all = limitsOf(target)
  const scenarios = scenariosOf(target, evaluation.timing.batches).map(({ scenario }) => scenario)
  const limits = judgeLimits(all, scenarios, evaluation)
  const quality = judgeQuality(bounds, evaluation)
  const poor = quality.filter(({ held }) => !held)
  return {
    limits,
    quality,
    reasons: [...limits.filter(({ held }) => !held).map(whyMissed), ...poor.map(whyTooPoor)],
    wouldTake: [
      ...limits.flatMap((own, i) => (own.held ? [] : describeLimit({ ...all[i]!, value: within(own, all[i]!.bound) }))),
      ...poor.flatMap((own) => boundMet(own) ?? []),
    ],
  }
}

/** The nearest value with three digits that a limit could have had. */
function within({ value, interval: [low, high] = [value, value] }: Judged, bound: Limit['bound']): number {
  return bound === 'min' ? rounded(low, Math.floor) : rounded(high, Math.ceil)
}

/** How far the worst of the limits and the bounds on quality is missed, as a share of it; 0: all are met. */
export const missed = ({ limits, quality }: Verdict): number => Math.max(qualityShortfall(quality), shortfall(limits))

/** The child that misses least; of equals, the one with the least KL.
 *  @param all  at least one
 *  @param missedBy  by what share one misses its target; 0: it meets it */
export function nearest<T extends { readonly evaluation: Evaluation<Measured> }>(
  all: readonly T[],
  missedBy: (one: T) => number,
): T {
  return all.reduce((a, b) => {
    const further = missedBy(b) - missedBy(a)
    return further < 0 || (further === 0 && b.evaluation.child.kl < a.evaluation.child.kl) ? b : a
  })
}

function whyMissed({ limit, value, interval, wanted }: Judged): string {
  if (!interval) return `${limit} is not met: the actual value is ${short(value)}`
  const [low, high] = interval
  const range = `${short(value)} (${short(low)} to ${short(high)})`
  // The estimate may be on the right side of the limit.
  return low < wanted && wanted <= high
    ? `${limit} is not shown to be met: the value is ${range}`
    : `${limit} is not met: the actual value is ${range}`
}
