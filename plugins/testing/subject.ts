import { elements, type DType } from '../../tensor/index.js'
import type { BlockType, JsonObject, LayerFacts, Weights } from '../api/index.js'
import { noise } from './noise.js'
import type { TinyParent } from './tiny-parent.js'

/** One variant for one parent. */
export interface Subject {
  readonly type: BlockType
  readonly facts: LayerFacts
  readonly params: JsonObject
  readonly parent: TinyParent
}

/** Weights by name, in float64. */
export type Numbers = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float64Array }>>

/** Weights with which `forward` is checked. */
export interface Prepared extends Subject {
  /** What numbers are computed in: float64, unless the block cannot. */
  readonly dtype: DType
  readonly weights: Numbers
}

/** Initial weights from all that calibration tells. */
export async function initialWeights({ type, facts, params, parent }: Subject): Promise<Weights> {
  const { own } = await parent.weights(type.slot)
  return type.initialise(own, facts, params, statisticsOf({ type, params, parent }))
}

/** What a search would tell of the layer: the sample only to those that ask. */
export function statisticsOf({ type, params, parent }: Pick<Subject, 'type' | 'params' | 'parent'>) {
  const { sample, ...rest } = parent.statistics[type.slot]
  return (type.sampleTokens?.(params) ?? 0) > 0 ? { ...rest, sample } : rest
}

/** Weights beside the initial ones, as training makes them: what is zero or equal at the start is so no more. */
export function trained(initial: Weights): Numbers {
  return Object.fromEntries(
    Object.entries(initial).map(([name, { shape, data }], i) => {
      const own = noise(elements(shape), 50 + i)
      const size = shape.length > 1 ? 0.5 / Math.sqrt(shape.at(-2)!) : 0.2
      return [name, { shape, data: own.map((value, j) => data[j]! + size * value) }]
    }),
  )
}
