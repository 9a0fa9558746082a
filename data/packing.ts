import { Failure } from '../api/index.js'

/** How documents fill sequences. `documents`: each document begins a new sequence. `continuous`: documents follow one another
 *  without padding. */
export type Packing = 'documents' | 'continuous'

/** Divides documents, added one by one, into sequences of at most `length` tokens. */
export class Packer {
  private held: number[] = []

  /** @param end  token between documents that are packed continuously; none if undefined */
  constructor(
    private readonly packing: Packing,
    private readonly length: number,
    private readonly end: number | undefined,
  ) {}

  /** Adds a document. @returns the sequences that it completes */
  *add(ids: readonly number[]): Generator<readonly number[]> {
    const { packing, length, end } = this
    if (packing === 'documents') {
      yield* cut(ids, length)
      return
    }
    if (ids.length === 0) return
    const all = this.held.concat(ids)
    if (end !== undefined && all.at(-1) !== end) all.push(end)
    const full = all.length - (all.length % length)
    for (let i = 0; i < full; i += length) yield all.slice(i, i + length)
    this.held = all.slice(full)
  }

  /** Returns the last, incomplete sequence. */
  *rest(): Generator<readonly number[]> {
    yield* cut(this.held, this.length)
    this.held = []
  }
}

/** Cuts a document into pieces of at most `length` tokens. A last piece of one token predicts nothing and is left out. */
function* cut(ids: readonly number[], length: number): Generator<readonly number[]> {
  for (let i = 0; i < ids.length; i += length) {
    const piece = ids.slice(i, i + length)
    if (piece.length > 1) yield piece
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
