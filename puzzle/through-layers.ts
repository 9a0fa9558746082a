import type { Forward, Model } from '../model/index.js'
import { chunksOf, type Sequences } from '../data/sequences.js'

/**
 * Computes layers `first` to `end` - 1 for all sequences, a chunk of `forward.batch` at a time.
 * @param rows  hidden states before layer `first` of so many tokens from a token on, [count, hidden]
 * @returns the hidden states after them, [sequences * length, hidden]
 */
export async function throughLayers(
  forward: Forward,
  model: Model,
  { count, length }: Pick<Sequences, 'count' | 'length'>,
  rows: (start: number, count: number) => Float32Array,
  first: number,
  end: number,
): Promise<Float32Array> {
  const { hidden } = model.config
  const out = new Float32Array(count * length * hidden)
  for (const chunk of chunksOf(count, forward.batch)) {
    const start = chunk.first * length
    out.set(await forward.layers(model, rows(start, forward.batch * length), first, end), start * hidden)
  }
  return out
}
