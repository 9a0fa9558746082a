import { elements, type DType } from '../../tensor/index.js'
import type { BlockType, JsonObject, LayerFacts, Weights } from '../../api/index.js'
import { noise } from './noise.js'
import type { TinyParent } from './tiny-parent.js'

/** A variant for a parent. */
export interface Subject {
  readonly type: BlockType
  readonly facts: LayerFacts
  readonly params: JsonObject
  readonly parent: TinyParent
}

/** Weights by name, in float64. */
export type Numbers = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float64Array }>>

/** A variant with the weights that `forward` is checked with. */
export interface Prepared extends Subject {
  /** Type of the computation: float64, unless the block does not support it. */
  readonly dtype: DType
  readonly weights: Numbers
}

/** Computes initial weights from complete statistics. */
export async function initialWeights({ type, facts, params, parent }: Subject): Promise<Weights> {
  const { weights } = await parent.weights(type.slot)
  return type.initialise(weights, facts, params, statisticsOf({ type, params, parent }))
}

/** The statistics that a search would provide: a sample only for types that request one. */
export function statisticsOf({ type, params, parent }: Pick<Subject, 'type' | 'params' | 'parent'>) {
  const { sample, ...rest } = parent.statistics[type.slot]
  return (type.sampleTokens?.(params) ?? 0) > 0 ? { ...rest, sample } : rest
}

/** Weights near the initial ones, as after training: weights that start as zero or equal no longer are. */
export function trained(initial: Weights): Numbers {
  return Object.fromEntries(
    Object.entries(initial).map(([name, { shape, data }], i) => {
      const change = noise(elements(shape), 50 + i)
      const size = shape.length > 1 ? 0.5 / Math.sqrt(shape.at(-2)!) : 0.2
      return [name, { shape, data: change.map((value, j) => data[j]! + size * value) }]
    }),
  )
}
