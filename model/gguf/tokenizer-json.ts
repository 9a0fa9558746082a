import type { Failure, Json } from '../../api/index.js'

/** The fields of a tokenizer.json that are read. */
export interface TokenizerJson {
  readonly normalizer?: Step | null
  readonly pre_tokenizer?: Step | null
  readonly post_processor?: Step | null
  readonly model: {
    readonly type?: string
    readonly vocab: Readonly<Record<string, number>>
    /** Scores of a Unigram tokenizer, by id. */
    readonly scores?: readonly number[]
    readonly merges?: readonly (string | readonly [string, string])[]
    readonly unk_token?: string | null
    readonly byte_fallback?: boolean
    readonly ignore_merges?: boolean
  }
  readonly added_tokens?: readonly { readonly id: number; readonly content: string; readonly special?: boolean }[]
}

/** A normaliser, a pre-tokenizer or a post-processor. */
export interface Step {
  readonly type: string
  readonly normalizers?: readonly Step[]
  readonly pretokenizers?: readonly Step[]
  readonly processors?: readonly Step[]
  readonly [key: string]: Json
}

/** Tokens in the order of their ids: one for each row of the embedding. */
export interface TokenList {
  readonly texts: readonly string[]
  readonly types: readonly number[]
}

/** Creates the error for a tokenizer that llama.cpp does not support. */
export type Refuse = (message: string) => Failure

/** Returns the steps of a single step or a sequence. */
export function stepsOf(step: Step | null | undefined): readonly Step[] {
  if (!step) return []
  return step.type === 'Sequence' ? (step.normalizers ?? step.pretokenizers ?? step.processors ?? []) : [step]
}
