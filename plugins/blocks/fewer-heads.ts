import { Failure, type BlockType, type LayerFacts } from '../../api/index.js'
import { headContribution, largest, tokensForHeads } from './contribution.js'
import { countOrShare, oneOrMore } from './counts.js'
import { attentionShapes, softmaxAttention } from './grouped-query.js'
import { divisors } from './heads.js'
import { pickColumns, pickRows } from './picking.js'

/** Parameters of a variant of `fewer-heads`. */
export interface FewerHeadsParams {
  readonly [key: string]: number
  readonly heads: number
  readonly kvHeads: number
}

/** Softmax attention with only the query heads that contribute most. */
export const fewerHeads: BlockType<FewerHeadsParams> = {
  name: 'fewer-heads',
  slot: 'attention',
  version: 1,
  about: {
    summary: 'Softmax attention with fewer query heads, and fewer KV heads once whole groups are removed.',
    initialisation:
      'Keeps the KV groups and, within each, the query heads that contribute most to the residual stream on calibration text; their weights are unchanged.',
    source:
      'Michel et al. 2019, Are sixteen heads really better than one?, arXiv 1905.10650, section 4; contribution as in Puzzle, appendix A.',
    pays: 'If attention’s arithmetic and weights dominate: prefill, short contexts. Removing whole groups also shrinks the KV cache.',
  },
  parameters: {
    type: 'object',
    required: ['heads'],
    additionalProperties: false,
    properties: {
      block: { const: 'fewer-heads' },
      heads: {
        description: 'Numbers of query heads, or percentages of the parent’s number.',
        ...oneOrMore('heads'),
      },
    },
    $defs: {
      heads: countOrShare,
    },
  },

  *variants(facts, entry) {
    const seen = new Set<number>()
    for (const wanted of [entry.heads].flat() as (number | string)[]) {
      const heads = count(wanted, facts)
      if (heads === facts.heads || seen.has(heads)) continue
      seen.add(heads)
      yield { heads, kvHeads: groupsFor(heads, facts)! }
    }
  },

  id: ({ heads }) => `fewer-heads-${heads}`,
  shapes: (facts, { heads, kvHeads }) => attentionShapes(facts, heads, kvHeads),
  sampleTokens: () => tokensForHeads,

  async initialise(parent, facts, { heads, kvHeads }, statistics) {
    const contribution = await headContribution(parent, facts, statistics)
    const [group, keep] = [facts.heads / facts.kvHeads, heads / kvHeads]
    const groups = Array.from({ length: facts.kvHeads }, (_, kv) => {
      const ofGroup = contribution.subarray(kv * group, (kv + 1) * group)
      const kept = largest(ofGroup, keep)
      return { kept: kept.map((h) => kv * group + h), sum: kept.reduce((sum, h) => sum + ofGroup[h]!, 0) }
    })
    const keptGroups = largest(
      groups.map(({ sum }) => sum),
      kvHeads,
    )
    const keptHeads = keptGroups.flatMap((kv) => groups[kv]!.kept)
    const columns = (names: readonly string[], kept: readonly number[]) =>
      names
        .filter((name) => parent[name])
        .map((name) => [name, pickColumns(parent[name]!, kept, facts.headDim)] as const)
    return {
      ...parent,
      ...Object.fromEntries([
        ...columns(['q', 'q.bias'], keptHeads),
        ...columns(['k', 'v', 'k.bias', 'v.bias'], keptGroups),
      ]),
      o: pickRows(parent.o!, keptHeads, facts.headDim),
    }
  },

  lastMatrix: 'o',
  forward: (g, x, w, { heads, kvHeads }, context) => softmaxAttention(g, x, w, heads, kvHeads, context),

  state: ({ headDim }, { kvHeads }) => [
    { name: 'k', kind: 'per-token', shape: [kvHeads, headDim] },
    { name: 'v', kind: 'per-token', shape: [kvHeads, headDim] },
  ],
}

/** The largest number of KV heads that divides the query heads into groups no larger than the parent's. */
function groupsFor(heads: number, facts: LayerFacts): number | undefined {
  const group = facts.heads / facts.kvHeads
  return divisors(heads)
    .filter((n) => n <= facts.kvHeads && heads / n <= group)
    .at(-1)
}

/** Resolves a number or percentage of query heads. @throws Failure if the parent cannot be reduced to it */
function count(wanted: number | string, facts: LayerFacts): number {
  const possible = Array.from({ length: facts.heads }, (_, i) => i + 1).filter((n) => groupsFor(n, facts))
  if (typeof wanted === 'string') {
    const share = (Number.parseFloat(wanted) / 100) * facts.heads
    if (share > 0 && share <= facts.heads)
      return possible.reduce((best, n) => (Math.abs(n - share) < Math.abs(best - share) ? n : best))
  } else if (possible.includes(wanted)) return wanted
  throw new Failure(
    'InvalidInput',
    `the parent's ${facts.heads} query heads in ${facts.kvHeads} groups cannot be reduced to ${wanted}`,
    {
      remedy: `Use ${possible.join(', ')}, or a percentage above 0% and up to 100%.`,
    },
  )
}
