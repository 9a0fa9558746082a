import { Decoder, type Model } from '../../model/index.js'

/** Greedy continuations of prompts of any lengths by our decoder, one after the other, end tokens or not. */
export async function greedy(
  model: Model,
  prompts: readonly (readonly number[])[],
  count: number,
): Promise<number[][]> {
  const decoder = await Decoder.create(model, { batch: 1 })
  const all: number[][] = []
  for (const prompt of prompts) {
    const own = [(await decoder.prefill(Int32Array.from(prompt))).best[0]!]
    while (own.length < count) own.push((await decoder.step(Int32Array.of(own.at(-1)!))).best[0]!)
    all.push(own)
  }
  await decoder.release()
  return all
}
