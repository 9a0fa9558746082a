import type { WeightKind } from '../api/weights.js'
import { dequantiseRows, quantisedBytes, quantiseRows, type Bits, type QuantisedMatrix } from '../tensor/index.js'
import type { HeadWeights, ModelConfig } from './config.js'
import type { Model } from './model.js'

const bitsOf = (kind: HeadWeights): Bits => (kind === 'int8' ? 8 : 4)

/** Heads that were rounded, by the head that they come from: children of one parent share it. */
const known = new WeakMap<Float32Array, Map<HeadWeights, WeakRef<Float32Array>>>()

/** Returns a view of a model whose head is quantised, and its embedding with it if they are one matrix.
 *  @param kind  float32: the model itself */
export function withHead(model: Model, kind: WeightKind = 'float32'): Model {
  if (kind === 'float32') return model
  const { vocabulary, hidden, tied } = model.config
  const head = async () => {
    const exact = await model.head()
    const rounded = known.get(exact) ?? new Map<HeadWeights, WeakRef<Float32Array>>()
    known.set(exact, rounded)
    const earlier = rounded.get(kind)?.deref()
    if (earlier) return earlier
    const data = dequantiseRows(quantiseRows(exact, [vocabulary, hidden], bitsOf(kind)))
    rounded.set(kind, new WeakRef(data))
    return data
  }
  return { ...model, config: { ...model.config, headWeights: kind }, head, ...(tied && { embedding: head }) }
}

/** Quantises the head of a model for its decoder: [hidden, vocabulary]; undefined if it is float32. */
export async function packedHead({
  config,
  head,
}: Pick<Model, 'config' | 'head'>): Promise<QuantisedMatrix | undefined> {
  const { headWeights, vocabulary, hidden } = config
  return headWeights && quantiseRows(await head(), [vocabulary, hidden], bitsOf(headWeights))
}

/** The matrix that is quantised, and its bits; undefined if the head is float32. */
export const quantisedEnd = ({
  headWeights,
  tied,
}: Pick<ModelConfig, 'headWeights' | 'tied'>):
  { readonly name: 'embedding' | 'head'; readonly bits: Bits } | undefined =>
  headWeights && { name: tied ? 'embedding' : 'head', bits: bitsOf(headWeights) }

/** Bytes of the embedding and the head in memory. @param width  of a weight that is not quantised */
export function endBytes({ vocabulary, hidden, tied, headWeights }: ModelConfig, width: number): number {
  const floats = width * vocabulary * hidden
  const head = headWeights ? quantisedBytes([hidden, vocabulary], bitsOf(headWeights)) : floats
  return tied ? head : floats + head
}
