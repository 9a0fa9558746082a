import type { JsonObject } from '../../api/index.js'

/** What a spec may write of every built-in block type, by `slot/name`: for a parent with 4 query heads and 24 channels. */
export const entries: Readonly<Record<string, JsonObject>> = {
  'attention/grouped-query': { kvHeads: [2, 1], heads: ['mean', 'kept'] },
  'attention/fewer-heads': { heads: [3, 2, 1] },
  'attention/sliding-window': { window: [2, 5], kvHeads: [2, 1] },
  'attention/linear-attention': { features: [6, 4], kvHeads: [2, 1] },
  'attention/gated-linear-attention': { features: 6 },
  'attention/latent-attention': { rank: [5, 3], rotated: [4, 2] },
  'attention/linear': {},
  'attention/no-op': {},
  'ffn/swiglu': { width: [16, 9], channels: ['contribution', 'iterative'] },
  'ffn/low-rank': { rank: [6, '50%'] },
  'ffn/linear': {},
  'ffn/no-op': {},
}
