import type { BlockType, Slot } from '../../api/index.js'

/** Leaves the residual stream unchanged. */
const noOp = (slot: Slot): BlockType<Readonly<Record<string, never>>> => ({
  name: 'no-op',
  slot,
  version: 1,
  about: {
    summary: 'Nothing; the residual stream passes unchanged.',
    source: 'Puzzle, arXiv 2411.19146, section 2.',
    pays: 'In layers that contribute little, especially for attention with a large KV cache. Training the other slot next to it compensates for much of the loss.',
  },
  parameters: { type: 'object', additionalProperties: false, properties: { block: { const: 'no-op' } } },
  variants: () => [{}],
  id: () => 'no-op',
  shapes: () => ({}),
  initialise: () => ({}),
  forward() {
    throw new Error('Internal error: an empty block has no forward')
  },
  empty: true,
})

/** Removes the attention. */
export const noOpAttention = noOp('attention')
/** Removes the FFN. */
export const noOpFfn = noOp('ffn')
