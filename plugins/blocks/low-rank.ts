import {
  Failure,
  type BlockType,
  type LayerFacts,
  type LayerStatistics,
  type Weight,
  type Weights,
} from '../../api/index.js'
import { activate, activationsOf } from './activations.js'
import { countOrShare, oneOrMore } from './counts.js'
import { factorise, gramOf } from './factorise.js'

/** Parameters of a variant of `low-rank`. */
export interface LowRankParams {
  readonly [key: string]: number
  readonly rank: number
}

const matrices = ['gate', 'up', 'down'] as const

/** The parent's gated FFN with each matrix factorised into two thin ones. */
export const lowRank: BlockType<LowRankParams> = {
  name: 'low-rank',
  slot: 'ffn',
  version: 1,
  about: {
    summary: 'The gated FFN with each matrix factorised into two thin ones.',
    initialisation:
      'Factorises the parent’s matrices optimally for calibration text: gate and up for the inputs of the FFN, down for its activations.',
    source: 'Wang et al. 2024, SVD-LLM, arXiv 2403.07378, section 3.1; idea: ASVD, arXiv 2312.05821.',
    pays: 'Below rank hidden x width / (hidden + width), where it has fewer weights than the parent. A narrower FFN of the same size is often as good and needs three matrix products instead of six.',
  },
  parameters: {
    type: 'object',
    required: ['rank'],
    additionalProperties: false,
    properties: {
      block: { const: 'low-rank' },
      rank: {
        description: 'Ranks, or percentages of the number of weights in the parent’s matrices.',
        ...oneOrMore('rank'),
      },
    },
    $defs: {
      rank: countOrShare,
    },
  },

  variants(facts, entry) {
    const ranks = ([entry.rank].flat() as (number | string)[]).map((rank) => checked(rank, facts))
    return [...new Set(ranks)].map((rank) => ({ rank }))
  },

  id: ({ rank }) => `low-rank-${rank}`,

  shapes({ hidden, intermediate, mlpBias }, { rank }) {
    return {
      'gate.a': [hidden, rank],
      'gate.b': [rank, intermediate],
      'up.a': [hidden, rank],
      'up.b': [rank, intermediate],
      'down.a': [intermediate, rank],
      'down.b': [rank, hidden],
      ...(mlpBias && { 'gate.bias': [intermediate], 'up.bias': [intermediate], 'down.bias': [hidden] }),
    }
  },

  sampleTokens: ({ rank }) => Math.max(2048, 4 * rank),

  async initialise(parent, facts, { rank }, statistics) {
    const { inputs, activations } = await grams(parent, facts, statistics)
    const factors: Record<string, Weight> = {}
    for (const name of matrices) {
      const { a, b } = await factorise(parent[name]!, rank, name === 'down' ? activations : inputs)
      factors[`${name}.a`] = a
      factors[`${name}.b`] = b
    }
    const biases = matrices.map((name) => `${name}.bias`).filter((name) => parent[name])
    return { ...factors, ...Object.fromEntries(biases.map((name) => [name, parent[name]!])) }
  },

  forward(g, x, w, _, { facts }) {
    const linear = (input: typeof x, name: string) => {
      const y = g.gemm(g.gemm(input, w[`${name}.a`]!), w[`${name}.b`]!)
      const bias = w[`${name}.bias`]
      return bias ? g.add(y, bias) : y
    }
    return { y: linear(g.mul(activate(g, linear(x, 'gate'), facts), linear(x, 'up')), 'down') }
  },
}

/** Second moments of the FFN's inputs and activations on calibration text. */
async function grams(parent: Weights, facts: LayerFacts, { sample }: LayerStatistics) {
  if (!sample) return {}
  const x: Weight = { shape: [sample.x.length / facts.hidden, facts.hidden], data: sample.x }
  const activations = await activationsOf(parent, facts, x)
  return { inputs: await gramOf(x, sample.mask), activations: await gramOf(activations, sample.mask) }
}

/** Resolves a rank or percentage. @throws Failure if it exceeds the rank of the parent's matrices */
function checked(rank: number | string, { hidden, intermediate }: LayerFacts): number {
  const most = Math.min(hidden, intermediate)
  if (typeof rank === 'string') {
    const share = Number.parseFloat(rank) / 100
    const number = Math.round((share * hidden * intermediate) / (hidden + intermediate))
    if (share > 0 && number <= most) return Math.max(1, number)
  } else if (rank <= most) return rank
  throw new Failure('InvalidInput', `rank ${rank} is impossible: the parent's matrices have at most rank ${most}`, {
    remedy: `Use 1 to ${most}, or a percentage of the parent's weights.`,
  })
}
