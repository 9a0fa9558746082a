import { Failure, type BlockType, type LayerFacts, type Weight } from 'puzzleflow/plugin'

export interface ShortConvolutionParams {
  readonly [key: string]: number
  /** Tokens that a token sees, itself included. */
  readonly kernel: number
}

/** One channel for each value of the parent: query heads of a group read the same ones. */
const channelsOf = ({ kvHeads, headDim }: LayerFacts): number => kvHeads * headDim

/**
 * y = W_out (C * conv(B * x~)) with B, C and x~ projected from x: a token sees itself and the few before it. The gates B and
 * C are affine, without a squashing function.
 *
 * @source Liquid AI 2025, LFM2 Technical Report, arXiv 2511.23404; Poli et al. 2023, Hyena, arXiv 2302.10866, section 3
 */
export const shortConvolution: BlockType<ShortConvolutionParams> = {
  name: 'short-convolution',
  slot: 'attention',
  version: 1,
  about: {
    summary: 'Two gates around a convolution over the last few tokens, channel by channel.',
    initialisation: 'W_V W_O of the parent, as for `linear`: gates are 1, and the kernel passes the token itself.',
    source: 'LFM2, arXiv 2511.23404; Hyena, arXiv 2302.10866, section 3.',
    pays: 'In layers whose attention looks at nearby tokens: its state is a few rows, its time per token constant.',
  },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      block: { const: 'short-convolution' },
      kernel: {
        description: 'Tokens that a token sees, itself included; 2 to 16. Default: 3.',
        oneOf: [
          { type: 'integer', minimum: 1 },
          { type: 'array', minItems: 1, items: { type: 'integer', minimum: 1 } },
        ],
      },
    },
  },

  variants(_, { kernel = 3 }) {
    return [...new Set([kernel].flat() as number[])].map((size) => {
      if (size >= 2 && size <= 16) return { kernel: size }
      throw new Failure('InvalidInput', `a kernel of ${size} is not a short convolution`, {
        remedy: size < 2 ? 'Use 2 to 16, or the block type `linear`.' : 'Use 2 to 16.',
      })
    })
  },

  id: ({ kernel }) => `short-convolution-${kernel}`,

  shapes(facts, { kernel }) {
    const { hidden, attentionBias } = facts
    const channels = channelsOf(facts)
    return {
      x: [hidden, channels],
      ...(attentionBias && { 'x.bias': [channels] }),
      before: [hidden, channels],
      'before.bias': [channels],
      after: [hidden, channels],
      'after.bias': [channels],
      kernel: [kernel, channels],
      out: [channels, hidden],
      ...(attentionBias && { 'out.bias': [hidden] }),
    }
  },

  initialise(parent, facts, { kernel }) {
    const { hidden, attentionBias } = facts
    const channels = channelsOf(facts)
    // The last row is the token itself.
    const itself = new Float32Array(kernel * channels).fill(1, (kernel - 1) * channels)
    return {
      x: parent.v!,
      ...(attentionBias && { 'x.bias': parent['v.bias'] ?? zeros([channels]) }),
      before: zeros([hidden, channels]),
      'before.bias': ones(channels),
      after: zeros([hidden, channels]),
      'after.bias': ones(channels),
      kernel: { shape: [kernel, channels], data: itself },
      out: addGroups(parent.o!, facts),
      ...(attentionBias && { 'out.bias': parent['o.bias'] ?? zeros([hidden]) }),
    }
  },

  forward(g, x, w, { kernel }, { facts, batch, length, past, wantState }) {
    const channels = channelsOf(facts)
    const affine = (name: string) => {
      const y = g.gemm(x, w[name]!)
      const bias = w[`${name}.bias`]
      return bias ? g.add(y, bias) : y
    }
    const gated = g.reshape(g.mul(affine('before'), affine('x')), [batch, length, channels])
    const earlier = past?.rows ?? g.zeros([batch, kernel - 1, channels], x.dtype)
    const rows = g.concat([earlier, gated], 1)
    // A sum over shifted copies: row j of the kernel weights the token kernel - 1 - j places back.
    const mixed = Array.from({ length: kernel }, (_, j) =>
      g.mul(g.slice(rows, 1, j, j + length), g.slice(w.kernel!, 0, j, j + 1)),
    ).reduce((sum, term) => g.add(sum, term))
    const z = g.mul(affine('after'), g.reshape(mixed, [batch * length, channels]))
    const out = g.gemm(z, w.out!)
    const y = w['out.bias'] ? g.add(out, w['out.bias']) : out
    return wantState ? { y, state: { rows: g.slice(rows, 1, length, length + kernel - 1) } } : { y }
  },

  state: (facts, { kernel }) => [{ name: 'rows', kind: 'per-sequence', shape: [kernel - 1, channelsOf(facts)] }],
}

const size = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)
const zeros = (shape: readonly number[]): Weight => ({ shape, data: new Float32Array(size(shape)) })
const ones = (length: number): Weight => ({ shape: [length], data: new Float32Array(length).fill(1) })

/** Rows of query heads that read the same values, added: [heads * headDim, hidden] to [kvHeads * headDim, hidden]. The
 *  product with W_V stays what it was. */
function addGroups({ data }: Weight, { heads, kvHeads, headDim, hidden }: LayerFacts): Weight {
  const sums = zeros([kvHeads * headDim, hidden])
  for (let head = 0; head < heads; head++) {
    const to = Math.floor((head * kvHeads) / heads) * headDim * hidden
    const from = head * headDim * hidden
    for (let i = 0; i < headDim * hidden; i++) sums.data[to + i]! += data[from + i]!
  }
  return sums
}
