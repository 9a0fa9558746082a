import type { BlockType, Slot } from '../api/index.js'

/** Nothing: the residual stream passes unchanged. */
const noOp = (slot: Slot): BlockType<Readonly<Record<string, never>>> => ({
  name: 'no-op',
  slot,
  version: 1,
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

export const noOpAttention = noOp('attention')
export const noOpFfn = noOp('ffn')
