import type { SequenceFile } from './sequence-file.js'
import type { SplitKind } from './task-splits.js'

/** Fewer sequences than these are not divided. */
const leastDivided = 64

/** What a file of data came to. */
export interface PreparedText {
  readonly sequences: number
  /** Without padding. */
  readonly tokens: number
  /** With padding. */
  readonly positions: number
  /** Share of the positions that is padding, 0..1. */
  readonly padding: number
  /** Records that were null or empty. */
  readonly empty: number
}

/** Sequences of a file of data, which may be divided into those for the search and those that only the final evaluation sees. */
export class HeldOut {
  /** @param isTest  by sequence: whether its content belongs to the test
   *  @param empty   records that were null or empty */
  constructor(
    readonly sequences: SequenceFile,
    private readonly isTest: readonly boolean[],
    private readonly empty: number,
  ) {}

  /** All of them. */
  rows(): Uint32Array<ArrayBuffer> {
    return Uint32Array.from(this.isTest.keys())
  }

  /** By content, unless they are too few. */
  divided(): {
    readonly validate: Uint32Array<ArrayBuffer>
    readonly test: Uint32Array<ArrayBuffer>
    readonly split: SplitKind
  } {
    const all = this.rows()
    const [validate, test] = [all.filter((i) => !this.isTest[i]), all.filter((i) => this.isTest[i]!)]
    return this.isTest.length < leastDivided || validate.length === 0 || test.length === 0
      ? { validate: all, test: all, split: 'same' }
      : { validate, test, split: 'content' }
  }

  prepared(rows: Uint32Array): PreparedText {
    const tokens = this.sequences.tokensOf(rows)
    const positions = rows.length * this.sequences.length
    return { sequences: rows.length, tokens, positions, padding: 1 - tokens / positions, empty: this.empty }
  }
}
