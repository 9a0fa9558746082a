import type { Slot } from '../api/index.js'
import type { Judgement } from './objective.js'

/** How scores of a layer's two slots are combined: their sum, or the root of the sum of their squares. */
export type Composition = 'sum' | 'rss'

/** The effect of replacing one or both slots of a layer on the parent's predictions for held-out text. */
export interface ScoreRow {
  readonly layer: number
  /** `block`: both slots. */
  readonly slot: Slot | 'block'
  /** Variant in each slot; the parent's own if it was not replaced. */
  readonly attention: string
  readonly ffn: string
  /** Library entries in the slots. */
  readonly entries: { readonly attention: string; readonly ffn: string }
  /** KL(parent || child), mean per token, nats. */
  readonly kl: number
  /** The same with training-free weights, or in a later round with those of the round before; null if nothing was trained. */
  readonly kl_before_distillation: number | null
  /** Change of the loss for the next token, nats. */
  readonly lossDelta: number
  /** Share of positions with the same most likely token, 0 to 1. */
  readonly top1: number
  /** Normalised squared error of the hidden state before the last norm. */
  readonly nmse: number
  /** Present if a run of layers was replaced: the id of the replacement. The slots are those of its first layer. */
  readonly run?: string
  readonly span?: number
  /** By the objective, if it is not the KL. */
  readonly judged?: Judgement
}

/** The degradation of a scored block: its KL, unless scores have another objective. */
export const degradationOf = ({ kl, judged: own }: Pick<ScoreRow, 'kl' | 'judged'>): number => own?.degradation ?? kl
