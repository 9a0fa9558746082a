import type { Slot } from '../api/index.js'
import { ownVariant, type Base } from './library.js'
import { degradationOf, type Composition, type ScoreRow } from './score-row.js'

/** How scores of a layer's two slots combine, and the mean error of either way: |log(combined / measured)|. */
export interface MeasuredComposition {
  readonly composition: Composition
  readonly evidence: { readonly pairs: number; readonly sum: number; readonly rss: number }
}

/** Decides by the scored pairs whether the scores of two slots are added, or combined as the root of the sum of squares. */
export function compositionOf(rows: readonly ScoreRow[], model: Base): MeasuredComposition {
  const single = (row: ScoreRow, slot: Slot): number | undefined => {
    if (row[slot] === ownVariant(model, row.layer, slot)) return 0
    const alone = rows.find((r) => r.slot === slot && r.layer === row.layer && r[slot] === row[slot])
    return alone && degradationOf(alone)
  }
  const errors = { sum: [] as number[], rss: [] as number[] }
  for (const row of rows) {
    // Entries that were trained together do not show how others combine.
    const { attention, ffn } = row.entries
    if (row.slot !== 'block' || row.run !== undefined || attention.includes('+') || ffn.includes('+')) continue
    const [a, f] = [single(row, 'attention'), single(row, 'ffn')]
    // Rounding may make a KL of zero slightly negative.
    const both = degradationOf(row)
    if (a === undefined || f === undefined || both <= 0 || a + f <= 0) continue
    errors.sum.push(Math.abs(Math.log((a + f) / both)))
    errors.rss.push(Math.abs(Math.log(Math.sqrt(a * a + f * f) / both)))
  }
  const mean = (values: readonly number[]) =>
    values.length > 0 ? values.reduce((x, y) => x + y, 0) / values.length : 0
  const evidence = { pairs: errors.sum.length, sum: mean(errors.sum), rss: mean(errors.rss) }
  return { composition: evidence.rss < evidence.sum ? 'rss' : 'sum', evidence }
}
