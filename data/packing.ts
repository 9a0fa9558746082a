import { Failure } from '../api/index.js'

/** How documents fill sequences. `documents`: each document begins a new sequence. `continuous`: documents follow one another
 *  without padding. */
export type Packing = 'documents' | 'continuous'

/** Where the tokens stand that a tokenizer puts at the beginning of a text: at the beginning of every sequence, as models expect
 *  it, or of documents only. */
export type BeginOfText = 'sequences' | 'documents'

/** The tokens that sequences begin with, as a packer takes them. */
export const beginOfText = (
  params: { readonly beginOfText?: BeginOfText },
  encoder: { readonly begin: readonly number[] },
): readonly number[] => (params.beginOfText === 'documents' ? [] : encoder.begin)

/** Divides documents, added one by one, into sequences of at most `length` tokens. A sequence that goes on with a document begins
 *  as the document does: models can hardly do without the token that they have seen at the beginning of every text. */
export class Packer {
  private held: number[] = []
  /** Whether the last document began with `begin`. */
  private begun = false

  /** @param end    token between documents that are packed continuously; none if undefined
   *  @param begin  tokens at the beginning of a text that every sequence repeats if its document has them. @default none */
  constructor(
    private readonly packing: Packing,
    private readonly length: number,
    private readonly end: number | undefined,
    private readonly begin: readonly number[] = [],
  ) {}

  /** Adds a document. @returns the sequences that it completes */
  *add(ids: readonly number[]): Generator<readonly number[]> {
    const { packing, end } = this
    if (ids.length === 0) return
    this.begun = this.beginsAt(ids, 0)
    if (packing === 'documents') {
      yield* this.rest(yield* this.full(ids))
      return
    }
    const all = this.held.concat(ids)
    if (end !== undefined && all.at(-1) !== end) all.push(end)
    this.held = [...(yield* this.full(all))]
  }

  /** Returns the last, incomplete sequence. A single token is left out: it predicts nothing, or is not worth the padding. */
  *rest(held: readonly number[] = this.held): Generator<readonly number[]> {
    if (held.length > 1) yield [...this.before(held, 0), ...held]
    this.held = []
  }

  /** Cuts whole sequences off. @returns the tokens behind them */
  private *full(ids: readonly number[]): Generator<readonly number[], readonly number[]> {
    for (let from = 0; ;) {
      const before = this.before(ids, from)
      const to = from + this.length - before.length
      if (to > ids.length) return ids.slice(from)
      yield before.length === 0 ? ids.slice(from, to) : [...before, ...ids.slice(from, to)]
      from = to
    }
  }

  /** What a sequence begins with before the tokens from here on. */
  private before(ids: readonly number[], from: number): readonly number[] {
    return this.begun && this.begin.length < this.length && !this.beginsAt(ids, from) ? this.begin : []
  }

  private beginsAt(ids: readonly number[], from: number): boolean {
    return this.begin.length > 0 && this.begin.every((id, i) => ids[from + i] === id)
  }
}

/** Requires two sequences, the minimum for training on shuffled data.
 *  @param empty  number of records that were left out
 *  @throws Failure InvalidInput for fewer tokens */
export function requireEnough(path: string, tokens: number, length: number, empty = 0): void {
  if (tokens < 2 * length)
    throw new Failure(
      'InvalidInput',
      `${path} holds ${tokens} tokens: fewer than two sequences of ${length}${empty > 0 ? ` (${leftOut(empty)})` : ''}`,
      { file: path, remedy: 'Give more text, or a smaller data.sequenceLength.' },
    )
}

/** Writes, for example, `3 null or empty records are left out`. */
export const leftOut = (empty: number): string =>
  `${empty} null or empty ${empty === 1 ? 'record is' : 'records are'} left out`

/** @throws Failure InvalidInput if sequences are longer than the model's context */
export function requirePositions(length: number, positions: number, name = 'data.sequenceLength'): void {
  if (length > positions)
    throw new Failure('InvalidInput', `${name} ${length} is more than the model's ${positions} positions`, {
      remedy: `Give ${positions} or less.`,
    })
}
