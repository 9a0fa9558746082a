import type { Model } from './model.js'
import { Decoder, type Prediction } from './decoder.js'
import { cacheWeights } from './forward.js'
import { OnnxModel } from './onnx/run.js'
import { isGreedy, sampler, type SamplingOptions } from './sampling.js'

export interface GenerateOptions extends SamplingOptions {
  readonly maxTokens: number
  /** Goes on after an end token. */
  readonly ignoreEos?: boolean
  /** Whether a sequence is over, asked when whoever reads has seen its latest token. @param tokens  those that came, prompt excluded */
  readonly isOver?: (tokens: readonly number[], sequence: number) => boolean
  /** Told when a sequence has ended. */
  readonly onEnd?: (sequence: number) => void
  /** Most sequences side by side. Default 16. */
  readonly batch?: number
  readonly threads?: number
}

/** A token of one of several sequences. */
export interface GeneratedToken {
  /** Index of its prompt. */
  readonly sequence: number
  readonly token: number
}

/** Continues a prompt token by token. */
export async function* generate(
  model: Model | OnnxModel,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<number> {
  for await (const { token } of generateAll(model, [prompt], options)) yield token
}

/**
 * Continues prompts. Those of one length are decoded side by side, lengths one after the other. Every sequence has random
 * numbers of its own from the same seed: its tokens are those that it would get alone, unless two are equally likely to
 * the last bits, in which sums depend on how many are computed at once.
 * @param prompts  with at least one token each
 */
export async function* generateAll(
  model: Model | OnnxModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken> {
  const { batch = 16 } = options
  const groups = [...new Set(prompts.map(({ length }) => length))].flatMap((length) => {
    const own = [...prompts.keys()].filter((i) => prompts[i]!.length === length)
    return Array.from({ length: Math.ceil(own.length / batch) }, (_, i) => own.slice(i * batch, (i + 1) * batch))
  })
  // Each group has a decoder of its own: what it is made of is read once where there is room.
  const source = model instanceof OnnxModel || groups.length === 1 ? model : cacheWeights(model)
  for (const group of groups) yield* generateGroup(source, prompts, group, options)
}

async function* generateGroup(
  model: Model | OnnxModel,
  prompts: readonly (readonly number[])[],
  group: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken> {
  const { maxTokens, ignoreEos = false, isOver, onEnd, threads = 1 } = options
  if (maxTokens === 0) return
  const sequences = group.map((sequence) => ({
    sequence,
    tokens: [] as number[],
    draw: sampler(options),
    over: false,
  }))
  const greedy = isGreedy(options)
  const decoder =
    model instanceof OnnxModel
      ? model.decoder(group.length, !greedy)
      : await Decoder.create(model, { batch: group.length, threads, logits: !greedy })
  const next = (prediction: Prediction, row: number): number => {
    if (!prediction.logits) return prediction.best[row]!
    const { vocabulary } = model.config
    const { sequence, tokens, draw } = sequences[row]!
    const logits = prediction.logits.subarray(row * vocabulary, (row + 1) * vocabulary)
    return draw(logits, [...prompts[sequence]!, ...tokens])
  }
  try {
    let prediction = await decoder.prefill(Int32Array.from(group.flatMap((sequence) => prompts[sequence]!)))
    for (let n = 1; ; n++) {
      for (const [row, own] of sequences.entries()) {
        if (own.over) continue
        const token = next(prediction, row)
        own.tokens.push(token)
        const ended = !ignoreEos && model.config.eos.includes(token)
        yield { sequence: own.sequence, token }
        own.over = n === maxTokens || ended || isOver?.(own.tokens, own.sequence) === true
        if (own.over) onEnd?.(own.sequence)
      }
      if (sequences.every(({ over }) => over)) return
      // Those that are over go along with their last token: all of a batch stand at one position.
      prediction = await decoder.step(Int32Array.from(sequences, ({ tokens }) => tokens.at(-1)!))
    }
  } finally {
    await decoder.release()
  }
}
