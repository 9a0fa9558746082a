import type { Model } from './checkpoint.js'
import { Decoder } from './decoder.js'

export interface GenerateOptions {
  readonly maxTokens: number
  /** 0: always the most likely token. Default 0. */
  readonly temperature?: number
  /** Of sampling. Default 1. */
  readonly seed?: number
  /** Goes on after an end token. */
  readonly ignoreEos?: boolean
  readonly threads?: number
}

/** Continues a prompt token by token. */
export async function* generate(
  model: Model,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<number> {
  const { maxTokens, temperature = 0, seed = 1, ignoreEos = false, threads = 1 } = options
  const decoder = await Decoder.create(model, { batch: 1, threads, logits: temperature > 0 })
  const random = mulberry32(seed)
  try {
    let next = await decoder.prefill(Int32Array.from(prompt))
    for (let n = 0; n < maxTokens; n++) {
      const token = next.logits ? sample(next.logits, temperature, random()) : next.best[0]!
      yield token
      if (!ignoreEos && model.config.eos.includes(token)) return
      if (n + 1 < maxTokens) next = await decoder.step(Int32Array.of(token))
    }
  } finally {
    await decoder.release()
  }
}

/** A token drawn from softmax(logits / temperature). */
function sample(logits: Float32Array, temperature: number, u: number): number {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const weights = Float64Array.from(logits, (x) => Math.exp((x - largest) / temperature))
  let left = u * weights.reduce((a, b) => a + b, 0)
  for (let i = 0; i < weights.length; i++) if ((left -= weights[i]!) < 0) return i
  return weights.length - 1
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
