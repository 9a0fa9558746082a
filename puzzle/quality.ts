import type { Evaluation, Measured } from './evaluation.js'
import type { QualityMeasure, Target } from './inputs.js'
import { rounded, short } from './rounding.js'

/** A bound on the quality of a child. */
export interface QualityBound {
  readonly measure: QualityMeasure
  /** Accuracy and perplexity: a multiple of the parent's. KL: nats per token. */
  readonly wanted: number
}

/** A bound on quality, and whether the child meets it. */
export interface JudgedQuality extends QualityBound {
  readonly held: boolean
  /** null: there are no tasks, or the parent solves none. */
  readonly value: number | null
}

/** The bounds of a target. A lone quantity is one on accuracy. */
export function qualityBounds({ quality }: Target): readonly QualityBound[] {
  if (!quality) return []
  if ('value' in quality) return [{ measure: 'accuracy', wanted: quality.value }]
  return (['accuracy', 'perplexity', 'kl'] as const).flatMap((measure) => {
    const bound = quality[measure]
    return bound ? [{ measure, wanted: bound.value }] : []
  })
}

/** Only accuracy is better when it is larger. */
const isFloor = ({ measure }: QualityBound): boolean => measure === 'accuracy'

/** Compares a child with bounds on its quality. */
export function judgeQuality(
  bounds: readonly QualityBound[],
  { parent, child, ratios }: Evaluation<Measured>,
): JudgedQuality[] {
  const values = { accuracy: ratios.accuracy, perplexity: child.perplexity / parent.perplexity, kl: child.kl }
  return bounds.map((bound) => {
    const value = values[bound.measure]
    const held = value !== null && (isFloor(bound) ? value >= bound.wanted : value <= bound.wanted)
    return { ...bound, held, value }
  })
}

/** How far the worst of the bounds is missed, as a share of it; 0: all are met. */
export const qualityShortfall = (judged: readonly JudgedQuality[]): number =>
  Math.max(
    0,
    ...judged
      .filter(({ held }) => !held)
      .map((own) => {
        const { wanted, value } = own
        return isFloor(own) ? wanted / Math.max(value ?? 0, 1e-9) - 1 : value! / wanted - 1
      }),
  )

/** Stricter bounds, but none that asks a child to be better than its parent.
 *  @param headroom  by what share
 *  @param error     by how much that on accuracy at least: at most half of what separates it from the parent's. @default 0 */
export function withQualityHeadroom(
  bounds: readonly QualityBound[],
  headroom: number,
  error = 0,
): readonly QualityBound[] {
  return bounds.map((bound) => {
    const { measure, wanted } = bound
    if (isFloor(bound)) {
      const surely = wanted + Math.min(error, (1 - wanted) / 2)
      return { measure, wanted: Math.max(wanted, Math.min(1, wanted * (1 + headroom)), surely) }
    }
    const strict = wanted * (1 - headroom)
    return { measure, wanted: measure === 'kl' ? strict : Math.min(wanted, Math.max(1, strict)) }
  })
}

/** The standard error of a child's accuracy as a share of its parent's: of the mean over tasks, item by item; 0 where it cannot be
 *  told. */
export function accuracyError({ parent, paired = {} }: Evaluation<Measured>): number {
  const errors = Object.values(paired).flatMap(({ outcomes, differences }) =>
    outcomes ? [differences[outcomes.metric]?.stderr ?? 0] : [],
  )
  if (errors.length === 0 || !parent.accuracy) return 0
  return Math.hypot(...errors) / errors.length / parent.accuracy
}

/** Why a bound is not met. */
export function whyTooPoor({ measure, value, wanted }: JudgedQuality): string {
  if (value === null)
    return `quality >= ${short(wanted)} of the parent cannot be checked: there are no tasks, or the parent's accuracy is 0`
  if (measure === 'accuracy') return `quality ${short(value)} is below ${short(wanted)}`
  return measure === 'perplexity'
    ? `perplexity ${short(value)}x the parent's is above ${short(wanted)}x`
    : `KL ${short(value)} is above ${short(wanted)} nats per token`
}

/** The bound that this child would meet, as a spec writes it; undefined if there is none. */
export function boundMet({ measure, value }: JudgedQuality): string | undefined {
  if (value === null) return undefined
  if (measure === 'accuracy') return `quality >= ${rounded(100 * value, Math.floor)} %`
  return measure === 'perplexity'
    ? `perplexity <= ${rounded(value, Math.ceil)}x`
    : `KL <= ${rounded(value, Math.ceil)} nats`
}
