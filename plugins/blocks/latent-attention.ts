import type { Value } from '../../tensor/index.js'
import {
  Failure,
  grid,
  joinColumns,
  type BlockType,
  type LayerFacts,
  type Weight,
  type Weights,
} from '../../api/index.js'
import { affine } from './affine.js'
import { counts } from './counts.js'
import { factorise, gramOf } from './factorise.js'
import { byGroups, fromGroups, meanPool, scaleOf, toHeads, turn } from './heads.js'
import { pickColumns } from './picking.js'
import { attend } from './softmax-attention.js'

/** Parameters of a variant of `latent-attention`. */
export interface LatentAttentionParams {
  readonly [key: string]: number
  /** Size of the latent vector, which all heads share. */
  readonly rank: number
  /** Rotated channels per head, the fastest ones first; all heads share one rotated key. */
  readonly rotated: number
}

/** Multi-head latent attention: keys and values are computed from one small vector per token. */
export const latentAttention: BlockType<LatentAttentionParams> = {
  name: 'latent-attention',
  slot: 'attention',
  version: 1,
  about: {
    summary:
      'Caches one latent vector and one rotated key per token; the keys and values of all heads are computed from the latent vector.',
    initialisation:
      'Factorises unrotated keys and values jointly, optimally for calibration text; the rotated key is the mean over KV heads of the channels that rotate fastest.',
    source:
      'DeepSeek-V2, arXiv 2405.04434, section 2.1, with absorbed matrices; conversion of a grouped-query parent as in MHA2MLA, arXiv 2502.14837, sections 3.1 and 3.2.',
    pays: 'If the KV cache is the bottleneck: it holds rank + rotated numbers per token instead of 2 x kvHeads x headDim. Every head reads the whole latent vector, so arithmetic grows; parents with few KV heads gain little.',
  },
  parameters: {
    type: 'object',
    required: ['rank'],
    additionalProperties: false,
    properties: {
      block: { const: 'latent-attention' },
      rank: { description: 'Sizes of the latent vector.', ...counts },
      rotated: {
        description: 'Numbers of rotated channels per head: even, less than the head dimension. Default: half of it.',
        ...counts,
      },
    },
  },

  *variants(facts, entry) {
    if (facts.qkNorm)
      throw new Failure('InvalidInput', 'latent-attention cannot reproduce keys that are normalised per head', {
        remedy: 'Remove it from `space`: this parent normalises queries and keys.',
      })
    const rank = [entry.rank].flat() as number[]
    const rotated = [entry.rotated ?? 2 * Math.floor(facts.headDim / 4)].flat() as number[]
    for (const n of rotated)
      if (n % 2 !== 0 || n >= facts.headDim)
        throw new Failure('InvalidInput', `a head of dimension ${facts.headDim} cannot have ${n} rotated channels`, {
          remedy: `Use even numbers below ${facts.headDim}.`,
        })
    for (const r of rank)
      for (const p of rotated) {
        const most = Math.min(facts.hidden, facts.kvHeads * (2 * facts.headDim - p))
        if (r > most)
          throw new Failure('InvalidInput', `rank ${r} exceeds that of the parent's keys and values, ${most}`, {
            remedy: `Use 1 to ${most}.`,
          })
      }
    yield* grid({ rank, rotated })
  },

  id: ({ rank, rotated }) => `latent-attention-${rank}-${rotated}`,

  shapes({ hidden, heads, headDim, attentionBias, outputBias = false }, { rank, rotated }) {
    const free = headDim - rotated
    return {
      'q.rotated': [hidden, heads * rotated],
      'q.free': [hidden, heads * free],
      'k.rotated': [hidden, rotated],
      latent: [hidden, rank],
      'up.k': [heads, free, rank],
      'up.v': [heads, rank, headDim],
      o: [heads * headDim, hidden],
      ...(attentionBias && {
        'q.rotated.bias': [heads * rotated],
        'q.free.bias': [heads * free],
        'k.rotated.bias': [rotated],
      }),
      // The output bias also absorbs the biases of values.
      ...((attentionBias || outputBias) && { 'o.bias': [hidden] }),
    }
  },

  sampleTokens: () => 2048,

  async initialise(parent, facts, { rank, rotated }, { sample }) {
    const { heads, kvHeads, headDim, hidden } = facts
    const [turned, free] = channels(headDim, rotated)
    const gram = sample && (await gramOf({ shape: [sample.x.length / hidden, hidden], data: sample.x }, sample.mask))
    const k = pick(parent.k!, kvHeads, headDim, free)
    const { a, b } = await factorise(joinColumns([k, parent.v!]), rank, gram)
    const group = heads / kvHeads
    // Columns of b: unrotated keys of all KV heads, then values of all KV heads.
    const column = (r: number, c: number) => b.data[r * b.shape[1]! + c]!
    const upK = new Float32Array(heads * free.length * rank)
    const upV = new Float32Array(heads * rank * headDim)
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / group)
      for (let r = 0; r < rank; r++) {
        for (let i = 0; i < free.length; i++) upK[(h * free.length + i) * rank + r] = column(r, kv * free.length + i)
        for (let i = 0; i < headDim; i++)
          upV[(h * rank + r) * headDim + i] = column(r, kvHeads * free.length + kv * headDim + i)
      }
    }
    return {
      'q.rotated': pick(parent.q!, heads, headDim, turned),
      'q.free': pick(parent.q!, heads, headDim, free),
      'k.rotated': meanPool(pick(parent.k!, kvHeads, headDim, turned), kvHeads, 1, rotated),
      latent: a,
      'up.k': { shape: [heads, free.length, rank], data: upK },
      'up.v': { shape: [heads, rank, headDim], data: upV },
      o: parent.o!,
      ...(facts.attentionBias && {
        'q.rotated.bias': pick(parent['q.bias']!, heads, headDim, turned),
        'q.free.bias': pick(parent['q.bias']!, heads, headDim, free),
        // A bias of unrotated keys is the same for all tokens, so it does not change the softmax.
        'k.rotated.bias': meanPool(pick(parent['k.bias']!, kvHeads, headDim, turned), kvHeads, 1, rotated),
      }),
      ...((facts.attentionBias || facts.outputBias) && { 'o.bias': outputBiasOf(parent, facts) }),
    }
  },

  lastMatrix: 'o',
  forward(g, x, w, { rank, rotated }, context) {
    const { facts, batch, length, past, mask, wantState } = context
    const { heads } = facts
    const project = (name: string, count: number) => toHeads(g, x, w, name, count, context)
    const turned = rotation(g, rotated, context)
    const free = g.matmul(g.transpose(project('q.free', heads), [0, 2, 1, 3]), w['up.k']!)
    const q = g.concat([turned(project('q.rotated', heads)), g.transpose(free, [0, 2, 1, 3])], 3)
    const scaled = g.mul(q, g.scalar(scaleOf(facts), x.dtype))
    const latent = g.reshape(affine(g, x, w, 'latent'), [batch, length, 1, rank])
    // [batch, 1, length, rotated + rank]
    const keys = g.transpose(g.concat([turned(project('k.rotated', 1)), latent], 3), [0, 2, 1, 3])
    const values = (all: Value) => g.slice(all, 3, rotated, rotated + rank)
    const before = past && { k: past.latent!, v: values(past.latent!), mask: mask! }
    const mixed = attend(byGroups(g, scaled, 1), keys, values(keys), context, before)
    const byHead = g.matmul(g.reshape(mixed, [batch, heads, length, rank]), w['up.v']!)
    const y = affine(g, fromGroups(g, byHead, heads, length), w, 'o')
    return wantState ? { y, state: { latent: keys } } : { y }
  },

  state: (_, { rank, rotated }) => [{ name: 'latent', kind: 'per-token', shape: [1, rank + rotated] }],
}

/** Splits the channels of a head into pairs that stay rotated, those whose angle grows fastest, and the others. */
function channels(headDim: number, rotated: number): [turned: number[], free: number[]] {
  const isTurned = (i: number) => i % (headDim / 2) < rotated / 2
  const all = Array.from({ length: headDim }, (_, i) => i)
  return [all.filter(isTurned), all.filter((i) => !isTurned(i))]
}

/** Rotary embedding of heads that consist of the fastest channels only, [batch, length, heads, rotated]. */
function rotation(
  g: Value['graph'],
  rotated: number,
  { rotary, length, facts: { headDim } }: Parameters<typeof latentAttention.forward>[4],
): (y: Value) => Value {
  if (!rotary || rotated === 0) return (y) => y
  const half = rotated / 2
  const [cos, sin] = [rotary.cos, rotary.sin].map((table) => {
    const parts = [0, headDim / 2].map((start) => g.slice(table, 1, start, start + half))
    return g.reshape(g.concat(parts, 1), [length, 1, rotated])
  })
  return (y) => turn(g, y, cos!, sin!)
}

/** Picks channels of every head: [rows, heads * headDim] to [rows, heads * kept]. A bias counts as one row. */
const pick = (weight: Weight, heads: number, headDim: number, kept: readonly number[]): Weight =>
  pickColumns(weight, Array.from({ length: heads }, (_, h) => kept.map((channel) => h * headDim + channel)).flat())

/** The output bias plus the bias of values, which passes through softmax unchanged, times the output matrix. */
function outputBiasOf(parent: Weights, { heads, kvHeads, headDim, hidden }: LayerFacts): Weight {
  const { 'v.bias': bias, 'o.bias': outputBias, o } = parent
  const data = outputBias ? Float32Array.from(outputBias.data) : new Float32Array(hidden)
  if (!bias || !o) return { shape: [hidden], data }
  for (let i = 0; i < heads * headDim; i++) {
    const kv = Math.floor(Math.floor(i / headDim) / (heads / kvHeads))
    const value = bias.data[kv * headDim + (i % headDim)]!
    for (let c = 0; c < hidden; c++) data[c]! += value * o.data[i * hidden + c]!
  }
  return { shape: [hidden], data }
}
