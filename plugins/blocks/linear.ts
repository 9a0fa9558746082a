import type { About, BlockType, LayerFacts, Slot, Weight, Weights } from '../../api/index.js'

type NoParams = Readonly<Record<string, never>>

const multiply = (a: Weight, b: Weight): Weight => {
  const [n, k] = a.shape as [number, number]
  const m = b.shape[1]!
  const data = new Float32Array(n * m)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < k; j++) {
      const x = a.data[i * k + j]!
      for (let c = 0; c < m; c++) data[i * m + c]! += x * b.data[j * m + c]!
    }
  return { shape: [n, m], data }
}

/** The bias of a composed layer: a bias times the next matrix, plus the bias of that matrix. */
const moveBias = (bias: Weight | undefined, matrix: Weight, matrixBias: Weight | undefined): Weight => {
  const [n, m] = matrix.shape as [number, number]
  const moved = bias ? multiply({ shape: [1, n], data: bias.data }, matrix).data : new Float32Array(m)
  matrixBias?.data.forEach((value, i) => (moved[i]! += value))
  return { shape: [m], data: moved }
}

/** Repeats each KV head's columns for all of its query heads: [rows, kvHeads * headDim] to [rows, heads * headDim]. */
function repeatHeads({ shape, data }: Weight, { heads, kvHeads, headDim }: LayerFacts): Weight {
  const rows = data.length / (kvHeads * headDim)
  const out = new Float32Array(rows * heads * headDim)
  for (let r = 0; r < rows; r++)
    for (let h = 0; h < heads; h++) {
      const from = (r * kvHeads + Math.floor((h * kvHeads) / heads)) * headDim
      out.set(data.subarray(from, from + headDim), (r * heads + h) * headDim)
    }
  return { shape: [...shape.slice(0, -1), heads * headDim], data: out }
}

/** A block type that replaces a slot by one matrix. */
const linear = (
  slot: Slot,
  about: About,
  product: (parent: Weights, facts: LayerFacts) => { weight: Weight; bias: Weight },
): BlockType<NoParams> => {
  const biased = (facts: LayerFacts) =>
    slot === 'attention' ? facts.attentionBias || facts.outputBias === true : facts.mlpBias
  return {
    name: 'linear',
    slot,
    version: 1,
    about,
    parameters: { type: 'object', additionalProperties: false, properties: { block: { const: 'linear' } } },
    variants: () => [{}],
    id: () => 'linear',
    shapes: (facts) => ({
      weight: [facts.hidden, facts.hidden],
      ...(biased(facts) && { bias: [facts.hidden] }),
    }),
    initialise: (parent, facts) => {
      const { weight, bias } = product(parent, facts)
      return biased(facts) ? { weight, bias } : { weight }
    },
    lastMatrix: 'weight',
    forward(g, x, w) {
      const y = g.gemm(x, w.weight!)
      return { y: w.bias ? g.add(y, w.bias) : y }
    },
  }
}

/** Attention as if every token attended only to itself: W_V W_O.
 *  @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 2 and appendix A */
export const attentionMatrix = linear(
  'attention',
  {
    summary: 'A single matrix; tokens do not attend to each other.',
    initialisation: 'W_V W_O, as if every token attended only to itself.',
    source: 'Puzzle, arXiv 2411.19146, section 2 and appendix A.',
    pays: 'In layers where attention hardly mixes tokens: it needs no KV cache and only one matrix product.',
  },
  (parent, facts) => {
    const v = repeatHeads(parent.v!, facts)
    const bias = parent['v.bias'] && repeatHeads(parent['v.bias'], facts)
    return { weight: multiply(v, parent.o!), bias: moveBias(bias, parent.o!, parent['o.bias']) }
  },
)

/** The FFN without its gate: W_up W_down.
 *  @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 2 and appendix A */
export const ffnMatrix = linear(
  'ffn',
  {
    summary: 'A single matrix.',
    initialisation: 'W_up W_down, ignoring the gate.',
    source: 'Puzzle, arXiv 2411.19146, section 2 and appendix A.',
    pays: 'If the intermediate size is far larger than the hidden size; rarely better than a narrow FFN of the same speed.',
  },
  (parent) => ({
    weight: multiply(parent.up!, parent.down!),
    bias: moveBias(parent['up.bias'], parent.down!, parent['down.bias']),
  }),
)
