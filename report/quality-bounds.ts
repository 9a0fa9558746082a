import { format } from './format.js'

/** A bound on quality; accuracy and perplexity as multiples of the parent's, KL in nats per token. */
export interface JudgedQuality {
  readonly held: boolean
  readonly value: number | null
  readonly wanted: number
}

/** Bounds on quality, by measure: a lone one is on the accuracy. */
export type QualityResult = JudgedQuality | Readonly<Record<string, JudgedQuality>>

/** Bounds on quality in words, and whether they are met. */
export function qualityBounds(
  quality: QualityResult | undefined,
): readonly { readonly bound: string; readonly held: boolean; readonly value: number | null }[] {
  if (!quality) return []
  const byMeasure = 'held' in quality ? { accuracy: quality as JudgedQuality } : quality
  return Object.entries(byMeasure).map(([measure, { held, value, wanted }]) => ({
    bound: `${measure} ${measure === 'accuracy' ? '>=' : '<='} ${format(wanted)}${measure === 'kl' ? ' nats per token' : ' of the parent'}`,
    ...{ held, value },
  }))
}
