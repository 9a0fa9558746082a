import { joinColumns, type RunType, type Weight, type Weights } from '../api/index.js'
import { spanParameters, spans, type SpanParams } from './span.js'

/** FFNs of neighbouring layers side by side as one wide FFN behind the first layer's attention; the other attention is gone. */
export const fuseFfn: RunType<SpanParams> = {
  name: 'fuse-ffn',
  version: 1,
  about: {
    summary: 'FFNs of neighbouring layers side by side as one wide FFN; of the attention the first layer’s remains.',
    initialisation: 'All channels of all FFNs; each norm’s weight goes into its gate and up matrices.',
    source: 'FFN Fusion, arXiv 2503.18908, section 3.',
    pays: 'On hardware that takes one wide FFN faster than several narrow ones, where attention matters little.',
  },
  parameters: spanParameters(2),
  variants: (layers, entry) => spans(layers, entry, 2),
  id: ({ span }) => `fuse-ffn-${span}`,
  span: ({ span }) => span,
  blocks(run) {
    if (!run.every(({ ffn }) => ffn.block === 'swiglu')) return undefined
    // A norm behind each FFN is no part of any: they do not add up to one.
    if (run[0]!.facts.postNorms) return undefined
    const width = run.reduce((sum, { ffn }) => sum + Number(ffn.params.width), 0)
    return { attention: run[0]!.attention, ffn: { block: 'swiglu', params: { width } } }
  },
  initialise(weights, run) {
    const { normOffset = 0 } = run[0]!.facts
    const ffns = weights.map(({ ffn }) => ffn)
    const hidden = ffns[0]!.norm!.data.length
    const join = (name: string) => joinColumns(ffns.map((own) => own[name]!))
    const scaled = (name: string) => joinColumns(ffns.map((own) => scaleRows(own[name]!, own.norm!.data, normOffset)))
    const biases = ffns[0]!['down.bias']
      ? { 'gate.bias': join('gate.bias'), 'up.bias': join('up.bias'), 'down.bias': sum(ffns, 'down.bias') }
      : {}
    return {
      attention: weights[0]!.attention,
      ffn: {
        norm: { shape: [hidden], data: new Float32Array(hidden).fill(1 - normOffset) },
        gate: scaled('gate'),
        up: scaled('up'),
        down: below(ffns.map((own) => own.down!)),
        ...biases,
      },
    }
  },
}

/** Rows times what a norm multiplies with. */
const scaleRows = ({ shape, data }: Weight, by: Float32Array, offset: number): Weight => {
  const columns = shape[1]!
  return { shape, data: data.map((value, i) => value * (offset + by[Math.floor(i / columns)]!)) }
}

/** Matrices one below the other, [sum of rows, columns]. */
function below(parts: readonly Weight[]): Weight {
  const rows = parts.reduce((n, { shape }) => n + shape[0]!, 0)
  const columns = parts[0]!.shape[1]!
  const data = new Float32Array(rows * columns)
  let from = 0
  for (const part of parts) {
    data.set(part.data, from)
    from += part.data.length
  }
  return { shape: [rows, columns], data }
}

function sum(all: readonly Weights[], name: string): Weight {
  const { shape, data } = all[0]![name]!
  return { shape, data: data.map((_, i) => all.reduce((total, own) => total + own[name]!.data[i]!, 0)) }
}
