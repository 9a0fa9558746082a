import type { Value } from '../../tensor/index.js'
import {
  Failure,
  grid,
  type BlockContext,
  type BlockResult,
  type BlockType,
  type LayerFacts,
  type LayerStatistics,
  type Weights,
} from '../../api/index.js'
import { headContribution, largest, tokensForHeads } from './contribution.js'
import { affine } from './affine.js'
import { counts } from './counts.js'
import { byGroups, divisors, fromGroups, poolKeysAndValues, positioned, scaleOf, toHeads } from './heads.js'
import { pickColumns } from './picking.js'
import { attend } from './softmax-attention.js'

/** Parameters of a variant of `grouped-query`. */
export interface GroupedQueryParams {
  readonly [key: string]: number | string
  readonly kvHeads: number
}

/** Value of `heads` that keeps one KV head of each group instead of averaging them. */
const kept = 'kept'

/** Grouped-query attention with rotary embedding. */
export const groupedQuery: BlockType<GroupedQueryParams> = {
  name: 'grouped-query',
  slot: 'attention',
  version: 1,
  about: {
    summary: 'Softmax attention in which groups of query heads share a key and value head.',
    initialisation:
      'Averages the key/value heads of each group; `heads: kept` keeps the one whose query heads contribute most.',
    source:
      'Ainslie et al. 2023, arXiv 2305.13245, section 2.1; head contribution: Puzzle, arXiv 2411.19146, appendix A.',
    pays: 'If the KV cache is large: big batches, long contexts. Prefill and weights hardly change. Tokens attend to all earlier tokens; for layers with a window, use sliding-window.',
  },
  parameters: {
    type: 'object',
    required: ['kvHeads'],
    additionalProperties: false,
    properties: {
      block: { const: 'grouped-query' },
      kvHeads: {
        description: 'Numbers of key/value heads. Each must divide the number that the parent has.',
        ...counts,
      },
      heads: {
        description:
          'How the heads of a group are merged: their mean (default), or only the one that contributes most (`kept`).',
        oneOf: [{ enum: ['mean', kept] }, { type: 'array', minItems: 1, maxItems: 2, items: { enum: ['mean', kept] } }],
      },
    },
  },

  variants(facts, entry) {
    const wanted = [entry.kvHeads].flat() as number[]
    wanted.forEach((n) => checkKvHeads(n, facts))
    // The parent's number is the variant `parent`, which always exists, unless the parent has a window.
    const kvHeads = wanted.filter((n) => n !== facts.kvHeads || facts.window !== undefined)
    const heads = [entry.heads ?? 'mean'].flat() as string[]
    return [...grid({ kvHeads, heads })].map((p) => (p.heads === kept ? p : { kvHeads: p.kvHeads }))
  },

  id: ({ kvHeads, heads }) => `grouped-query-${kvHeads}${heads === kept ? `-${kept}` : ''}`,
  shapes: (facts, { kvHeads }) => attentionShapes(facts, facts.heads, kvHeads),
  sampleTokens: ({ heads }) => (heads === kept ? tokensForHeads : 0),

  async initialise(parent, facts, { kvHeads, heads }, statistics) {
    if (heads !== kept) return poolKeysAndValues(parent, facts, kvHeads)
    const chosen = await strongest(parent, facts, kvHeads, statistics)
    const names = ['k', 'v', 'k.bias', 'v.bias'].filter((name) => parent[name])
    const fewer = names.map((name) => [name, pickColumns(parent[name]!, chosen, facts.headDim)] as const)
    return { ...parent, ...Object.fromEntries(fewer) }
  },

  lastMatrix: 'o',
  forward: (g, x, w, { kvHeads }, context) => softmaxAttention(g, x, w, context.facts.heads, kvHeads, context),

  state: ({ headDim }, { kvHeads }) => [
    { name: 'k', kind: 'per-token', shape: [kvHeads, headDim] },
    { name: 'v', kind: 'per-token', shape: [kvHeads, headDim] },
  ],
}

/** @throws Failure if the number does not divide the parent's */
export function checkKvHeads(kvHeads: number, facts: LayerFacts): void {
  const possible = divisors(facts.kvHeads)
  if (possible.includes(kvHeads)) return
  throw new Failure(
    'InvalidInput',
    `kvHeads ${kvHeads} does not divide the parent's ${facts.kvHeads} key/value heads`,
    {
      remedy: `Use ${possible.join(', ')}.`,
    },
  )
}

/** Selects from every group of the parent's KV heads the one whose query heads contribute most. */
async function strongest(parent: Weights, facts: LayerFacts, kvHeads: number, statistics: LayerStatistics) {
  const byQuery = await headContribution(parent, facts, statistics)
  const queries = facts.heads / facts.kvHeads
  const sums = Array.from({ length: facts.kvHeads }, (_, kv) =>
    byQuery.subarray(kv * queries, (kv + 1) * queries).reduce((a, b) => a + b, 0),
  )
  const group = facts.kvHeads / kvHeads
  return Array.from({ length: kvHeads }, (_, n) => n * group + largest(sums.slice(n * group, (n + 1) * group), 1)[0]!)
}

/** Shapes of the weights of softmax attention. */
export function attentionShapes(facts: LayerFacts, heads: number, kvHeads: number) {
  const { hidden, headDim, attentionBias, outputBias = attentionBias, qkNorm } = facts
  return {
    q: [hidden, heads * headDim],
    k: [hidden, kvHeads * headDim],
    v: [hidden, kvHeads * headDim],
    o: [heads * headDim, hidden],
    ...(attentionBias && {
      'q.bias': [heads * headDim],
      'k.bias': [kvHeads * headDim],
      'v.bias': [kvHeads * headDim],
    }),
    ...(outputBias && { 'o.bias': [hidden] }),
    ...(qkNorm && { 'q.norm': [headDim], 'k.norm': [headDim] }),
  }
}

/**
 * Softmax attention with weights q, k, v, o and state k, v.
 * @param window  number of earlier tokens that a token attends to. @default all
 */
export function softmaxAttention(
  g: Value['graph'],
  x: Value,
  w: Readonly<Record<string, Value>>,
  heads: number,
  kvHeads: number,
  context: BlockContext,
  window = Infinity,
): BlockResult {
  const { facts, length, past, mask, windowMasks, wantState } = context
  const q = g.mul(positioned(g, x, w, 'q', heads, context), g.scalar(scaleOf(facts), x.dtype))
  const grouped = byGroups(g, q, kvHeads)
  const k = g.transpose(positioned(g, x, w, 'k', kvHeads, context), [0, 2, 1, 3])
  const v = g.transpose(toHeads(g, x, w, 'v', kvHeads, context), [0, 2, 1, 3])
  const before = past && { k: past.k!, v: past.v!, mask: (window < Infinity ? windowMasks?.k : mask)! }
  const mixed = attend(grouped, k, v, context, before, window)
  const y = affine(g, fromGroups(g, mixed, heads, length), w, 'o')
  return wantState ? { y, state: { k, v } } : { y }
}
