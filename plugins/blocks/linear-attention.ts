import type { Value } from '../../tensor/index.js'
import { Failure, grid, type About, type BlockType, type LayerFacts, type Weight } from '../../api/index.js'
import { affine } from './affine.js'
import { counts } from './counts.js'
import { attentionShapes, checkKvHeads } from './grouped-query.js'
import { fromGroups, poolKeysAndValues, positioned, toHeads } from './heads.js'
import { recurrence } from './recurrence.js'

/** Parameters of a variant of `linear-attention`. */
export interface LinearAttentionParams {
  readonly [key: string]: number
  /** Features per sign; the feature map has twice as many outputs. */
  readonly features: number
  readonly kvHeads: number
}

/** The decay is sigmoid(gate)^(1/16): close to 1 unless the gate is well below 0 (GLA, arXiv 2312.06635, section 4.4). */
const temperature = 16

/**
 * Attention by features of queries and keys instead of the softmax of their dot products; the entire past is one matrix per head.
 * Queries and keys are projected, normalised and rotated like the parent's.
 */
function linear(name: string, gated: boolean, about: About): BlockType<LinearAttentionParams> {
  return {
    name,
    slot: 'attention',
    version: 1,
    about,
    parameters: {
      type: 'object',
      additionalProperties: false,
      properties: {
        block: { const: name },
        features: { description: 'Numbers of features per head: even. Default: the head dimension.', ...counts },
        kvHeads: { description: 'Numbers of key/value heads. Default: the parent’s number.', ...counts },
      },
    },

    *variants(facts, entry) {
      const features = [entry.features ?? facts.headDim].flat() as number[]
      const kvHeads = [entry.kvHeads ?? facts.kvHeads].flat() as number[]
      kvHeads.forEach((n) => checkKvHeads(n, facts))
      for (const n of features)
        if (n % 2 !== 0 || n > facts.headDim)
          throw new Failure('InvalidInput', `a head of dimension ${facts.headDim} cannot have ${n} features`, {
            remedy: `Use even numbers up to ${facts.headDim}.`,
          })
      yield* grid({ features, kvHeads })
    },

    id: ({ features, kvHeads }) => `${name}-${features}-${kvHeads}`,

    shapes(facts, { features, kvHeads }) {
      const { hidden, heads, headDim } = facts
      return {
        ...attentionShapes(facts, heads, kvHeads),
        'map.q': [heads, headDim, features],
        'map.k': [kvHeads, headDim, features],
        ...(gated && { decay: [hidden, kvHeads], 'decay.bias': [kvHeads] }),
      }
    },

    initialise(parent, facts, { features, kvHeads }) {
      return {
        ...poolKeysAndValues(parent, facts, kvHeads),
        'map.q': identityMap(facts.heads, facts.headDim, features),
        'map.k': identityMap(kvHeads, facts.headDim, features),
        ...(gated && slowDecay(facts, kvHeads)),
      }
    },

    // As in LoLCATs, the maps first train alone to approximate the parent's attention.
    learnsFirst: () => ['map.q', 'map.k', ...(gated ? ['decay', 'decay.bias'] : [])],

    lastMatrix: 'o',
    forward(g, x, w, { kvHeads }, context) {
      const { facts, batch, length, past, wantState } = context
      const { heads, headDim } = facts
      const byHead = (y: Value) => g.transpose(y, [0, 2, 1, 3])
      /** softmax(x W) and softmax(-x W): positive, and of bounded size. */
      const features = (y: Value, map: Value) => {
        const z = g.matmul(byHead(y), map)
        return g.concat([g.softmax(z, 3), g.softmax(g.neg(z), 3)], 3)
      }
      const q = features(positioned(g, x, w, 'q', heads, context), w['map.q']!)
      const k = features(positioned(g, x, w, 'k', kvHeads, context), w['map.k']!)
      // A column of ones accumulates the weights next to the weighted values.
      const ones = g.expand(g.scalar(1, x.dtype), [batch, kvHeads, length, 1])
      const v = g.concat([byHead(toHeads(g, x, w, 'v', kvHeads, context)), ones], 3)
      const { y, state } = recurrence(
        {
          q: g.reshape(q, [batch, kvHeads, (heads / kvHeads) * length, Number(q.shape[3])]),
          k,
          v,
          ...(gated && { logDecay: logDecay(g, affine(g, x, w, 'decay'), batch, length, kvHeads) }),
        },
        past?.sums,
      )
      const [sums, weights] = g.split(y, 3, [headDim, 1])
      const mixed = g.div(sums!, g.add(weights!, g.scalar(1e-6, x.dtype)))
      const out = affine(g, fromGroups(g, mixed, heads, length), w, 'o')
      return wantState ? { y: out, state: { sums: state } } : { y: out }
    },

    state: ({ headDim }, { features, kvHeads }) => [
      { name: 'sums', kind: 'per-sequence', shape: [kvHeads, 2 * features, headDim + 1] },
    ],
  }
}

/** Linear attention with learned feature maps. */
export const linearAttention = linear('linear-attention', false, {
  summary: 'Attention by learned features of queries and keys; the entire past is one matrix per head.',
  initialisation:
    'The parent’s weights, and feature maps that pass a head’s channels through. The maps train alone during the first half of distillation, then all weights.',
  source:
    'Zhang et al. 2024, LoLCATs, arXiv 2410.10254, sections 3.1 and 3.2; feature map: Hedgehog, arXiv 2402.04347, eq. 6; recurrence: arXiv 2006.16236, eq. 18-20.',
  pays: 'In long contexts: state and time per token are constant. The state has 2 x features rows per head; for fewer tokens, a KV cache is smaller. Exact recall over long distances suffers first.',
})

/** Linear attention whose state decays. */
export const gatedLinearAttention = linear('gated-linear-attention', true, {
  summary: 'Linear attention whose state decays at each token by a learned, input-dependent factor per head.',
  initialisation:
    'Like linear-attention; the decay factors start between 1 - 2^-5 and 1 - 2^-8, independent of the input.',
  source:
    'Yang et al. 2023, Gated linear attention, arXiv 2312.06635, section 4 (one factor per head as in Mamba-2, arXiv 2405.21060); initial factors: RetNet, arXiv 2307.08621, eq. 8.',
  pays: 'Like linear-attention, if recent tokens matter more than distant ones: it forgets instead of blurring.',
})

/** Logarithm of sigmoid(gate)^(1/temperature), [batch, kvHeads, length]. gate: [batch * length, kvHeads]. */
function logDecay(g: Value['graph'], gate: Value, batch: number, length: number, kvHeads: number): Value {
  const log = g.mul(g.softplus(g.neg(gate)), g.scalar(-1 / temperature, gate.dtype))
  return g.transpose(g.reshape(log, [batch, length, kvHeads]), [0, 2, 1])
}

/** A feature map that passes channels through, those with the slowest rotation first, [heads, headDim, features]. */
function identityMap(heads: number, headDim: number, features: number): Weight {
  const data = new Float32Array(heads * headDim * features)
  const half = headDim / 2
  for (let h = 0; h < heads; h++)
    for (let f = 0; f < features / 2; f++)
      for (const [channel, feature] of [
        [half - 1 - f, f],
        [headDim - 1 - f, features / 2 + f],
      ] as const)
        data[(h * headDim + channel) * features + feature] = 1
  return { shape: [heads, headDim, features], data }
}

/** Initial gates, which do not depend on the input yet. */
function slowDecay({ hidden }: LayerFacts, kvHeads: number): Record<string, Weight> {
  const bias = Float32Array.from({ length: kvHeads }, (_, h) => {
    const power = 5 + (kvHeads > 1 ? (3 * h) / (kvHeads - 1) : 1.5)
    const log = temperature * Math.log(1 - 2 ** -power)
    return -Math.log(Math.exp(-log) - 1)
  })
  return {
    decay: { shape: [hidden, kvHeads], data: new Float32Array(hidden * kvHeads) },
    'decay.bias': { shape: [kvHeads], data: bias },
  }
}
