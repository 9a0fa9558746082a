import { joinColumns, type RunType, type Weight, type Weights } from '../../api/index.js'
import { spanParameters, spans, type SpanParams } from './span.js'

/** Fuses the FFNs of consecutive layers into one wide FFN and keeps only the first layer's attention. */
export const fuseFfn: RunType<SpanParams> = {
  name: 'fuse-ffn',
  version: 1,
  about: {
    summary: 'Fuses the FFNs of consecutive layers into one wide FFN; only the first layer’s attention remains.',
    initialisation: 'All channels of all FFNs; the weight of each norm is folded into its gate and up matrices.',
    source: 'FFN Fusion, arXiv 2503.18908, section 3.',
    pays: 'On hardware that runs one wide FFN faster than several narrow ones, if attention matters little.',
  },
  parameters: spanParameters(2),
  variants: (layers, entry) => spans(layers, entry, 2),
  id: ({ span }) => `fuse-ffn-${span}`,
  span: ({ span }) => span,
  blocks(run) {
    if (!run.every(({ ffn }) => ffn.block === 'swiglu')) return undefined
    // If a norm follows each FFN, their outputs do not add up to that of one wide FFN.
    if (run[0]!.facts.postNorms) return undefined
    const width = run.reduce((sum, { ffn }) => sum + Number(ffn.params.width), 0)
    return { attention: run[0]!.attention, ffn: { block: 'swiglu', params: { width } } }
  },
  initialise(weights, run) {
    const { normOffset = 0 } = run[0]!.facts
    const ffns = weights.map(({ ffn }) => ffn)
    const hidden = ffns[0]!.norm!.data.length
    const join = (name: string) => joinColumns(ffns.map((ffn) => ffn[name]!))
    const scaled = (name: string) => joinColumns(ffns.map((ffn) => scaleRows(ffn[name]!, ffn.norm!.data, normOffset)))
    const biases = ffns[0]!['down.bias']
      ? { 'gate.bias': join('gate.bias'), 'up.bias': join('up.bias'), 'down.bias': sum(ffns, 'down.bias') }
      : {}
    return {
      attention: weights[0]!.attention,
      ffn: {
        norm: { shape: [hidden], data: new Float32Array(hidden).fill(1 - normOffset) },
        gate: scaled('gate'),
        up: scaled('up'),
        down: joinRows(ffns.map((ffn) => ffn.down!)),
        ...biases,
      },
    }
  },
}

/** Scales the rows by a norm's weight. */
const scaleRows = ({ shape, data }: Weight, by: Float32Array, offset: number): Weight => {
  const columns = shape[1]!
  return { shape, data: data.map((value, i) => value * (offset + by[Math.floor(i / columns)]!)) }
}

/** Concatenates matrices along their rows, [sum of rows, columns]. */
function joinRows(parts: readonly Weight[]): Weight {
  const rows = parts.reduce((n, { shape }) => n + shape[0]!, 0)
  const columns = parts[0]!.shape[1]!
  const data = new Float32Array(rows * columns)
  let offset = 0
  for (const part of parts) {
    data.set(part.data, offset)
    offset += part.data.length
  }
  return { shape: [rows, columns], data }
}

function sum(all: readonly Weights[], name: string): Weight {
  const { shape, data } = all[0]![name]!
  return { shape, data: data.map((_, i) => all.reduce((total, weights) => total + weights[name]!.data[i]!, 0)) }
}
