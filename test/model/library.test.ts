import { expect, test } from 'vitest'
import { Decoder, type Model } from '../../model/index.js'
import type { JsonObject, Slot } from '../../api/index.js'
import { difference, fullLogits, withVariant } from './mixed.js'
import { openTiny, someIds } from './tiny.js'

/** Of every block type with state of its own, or with parameters that change how it computes. */
const variants: readonly [Slot, string, JsonObject][] = [
  ['attention', 'grouped-query', { kvHeads: 1, heads: 'kept' }],
  ['attention', 'fewer-heads', { heads: 2, kvHeads: 1 }],
  ['attention', 'sliding-window', { window: 5, kvHeads: 2 }],
  ['attention', 'sliding-window', { window: 70, kvHeads: 1 }],
  ['attention', 'linear-attention', { features: 8, kvHeads: 2 }],
  ['attention', 'linear-attention', { features: 4, kvHeads: 1 }],
  ['attention', 'gated-linear-attention', { features: 8, kvHeads: 2 }],
  ['attention', 'latent-attention', { rank: 10, rotated: 4 }],
  ['ffn', 'low-rank', { rank: 7 }],
]

// More than three parts of a recurrence.
const length = 210

test.each(variants)('%s %s %j decodes token by token as it computes whole sequences', async (slot, block, params) => {
  const model: Model = await withVariant(await openTiny(), 1, slot, block, params)
  const rows = [someIds(length, 1), someIds(length, 2)]
  const whole = await Promise.all(rows.map((ids) => fullLogits(model, ids)))
  const decoder = await Decoder.create(model, { batch: 2, logits: true })
  const { vocabulary } = model.config
  const column = (from: number, to: number) => Int32Array.from(rows.flatMap((ids) => [...ids.subarray(from, to)]))
  for (const prompt of [1, 7, 70, 205]) {
    let { logits } = await decoder.prefill(column(0, prompt))
    for (let next = prompt; ; next++) {
      for (const [row, expected] of whole.entries()) {
        const own = logits!.subarray(row * vocabulary, (row + 1) * vocabulary)
        expect(difference(own, expected[next - 1]!), `token ${next}`).toBeLessThan(5e-6)
      }
      if (next === length) break
      logits = (await decoder.step(column(next, next + 1))).logits
    }
  }
  await decoder.release()
})
