import type { Slot } from '../api/index.js'

/** How scores of the two slots of a layer add up: as they are, or as the root of the sum of their squares. */
export type Composition = 'sum' | 'rss'

/** What replacing one slot, or both slots of a layer, does to the parent's predictions on held-out text. */
export interface ScoreRow {
  readonly layer: number
  /** `block`: both slots. */
  readonly slot: Slot | 'block'
  /** Variant in each slot; the parent's own where it was not replaced. */
  readonly attention: string
  readonly ffn: string
  /** Library entries that were in the slots. */
  readonly entries: { readonly attention: string; readonly ffn: string }
  /** KL(parent || child), mean per token, nats. */
  readonly kl: number
  /** With the training-free weights; null where nothing was trained. */
  readonly kl_before_distillation: number | null
  /** Change of the loss for the next token, nats. */
  readonly lossDelta: number
  /** Share of positions where the most likely token is the same. */
  readonly top1: number
  /** Of the hidden state before the last norm. */
  readonly nmse: number
  /** Where a run of layers was replaced: by what, and how many; what stands in its first layer is in the slots. */
  readonly run?: string
  readonly span?: number
}
