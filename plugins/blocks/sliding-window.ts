import { Failure, grid, type BlockType } from '../../api/index.js'
import { counts } from './counts.js'
import { attentionShapes, checkKvHeads, softmaxAttention } from './grouped-query.js'
import { poolKeysAndValues } from './heads.js'

/** Parameters of a variant of `sliding-window`. */
export interface SlidingWindowParams {
  readonly [key: string]: number
  /** Number of tokens that a token attends to, including itself. */
  readonly window: number
  readonly kvHeads: number
}

/** Softmax attention to the last tokens only, so that the KV cache stops growing. */
export const slidingWindow: BlockType<SlidingWindowParams> = {
  name: 'sliding-window',
  slot: 'attention',
  version: 1,
  about: {
    summary: 'Softmax attention in which a token attends to itself and the `window` - 1 tokens before it.',
    initialisation: 'The parent’s weights, unchanged; fewer KV heads are means.',
    source:
      'Beltagy et al. 2020, Longformer, arXiv 2004.05150, section 3.1; Jiang et al. 2023, Mistral 7B, arXiv 2310.06825, section 2.',
    pays: 'In contexts much longer than the window: KV cache and time per token are constant. In shorter contexts it costs as much as the parent.',
  },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      block: { const: 'sliding-window' },
      window: {
        description:
          'Numbers of tokens that a token attends to, itself included; at least 2. Default: the window of the parent’s layer.',
        ...counts,
      },
      kvHeads: { description: 'Numbers of key/value heads. Default: the parent’s number.', ...counts },
    },
  },

  *variants(facts, entry) {
    const window = [entry.window ?? facts.window ?? []].flat() as number[]
    if (window.length === 0)
      throw new Failure('InvalidInput', `layer ${facts.layer} of the parent does not have a window`, {
        remedy: 'Set `window:` to the number of tokens that a token attends to.',
      })
    const kvHeads = [entry.kvHeads ?? facts.kvHeads].flat() as number[]
    kvHeads.forEach((n) => checkKvHeads(n, facts))
    for (const n of window)
      if (n < 2)
        throw new Failure('InvalidInput', `a window of ${n} is too small: a token would attend only to itself`, {
          remedy: 'Use 2 or more, or the block type `linear`.',
        })
    for (const params of grid({ window, kvHeads }))
      // The parent's own window and heads are the variant `parent`, which always exists.
      if (params.window !== facts.window || params.kvHeads !== facts.kvHeads) yield params
  },

  id: ({ window, kvHeads }) => `sliding-window-${window}-${kvHeads}`,
  shapes: (facts, { kvHeads }) => attentionShapes(facts, facts.heads, kvHeads),

  initialise: (parent, facts, { kvHeads }) => poolKeysAndValues(parent, facts, kvHeads),

  lastMatrix: 'o',
  forward: (g, x, w, { window, kvHeads }, context) =>
    softmaxAttention(g, x, w, context.facts.heads, kvHeads, context, window - 1),

  state: ({ headDim }, { window, kvHeads }) => [
    { name: 'k', kind: 'window', window: window - 1, shape: [kvHeads, headDim] },
    { name: 'v', kind: 'window', window: window - 1, shape: [kvHeads, headDim] },
  ],
}
