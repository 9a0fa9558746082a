import type { Model } from './model.js'
import { Decoder, type Prediction } from './decoder.js'
import { cacheWeights } from './forward.js'
import { OnnxModel } from './onnx/run.js'
import { isGreedy, sampler, type SamplingOptions } from './sampling.js'

/** Options of `generate` and `generateAll`. */
export interface GenerateOptions extends SamplingOptions {
  /** Limit on generated tokens per sequence. */
  readonly maxTokens: number
  /** Whether to go on after an end token. @default false */
  readonly ignoreEos?: boolean
  /** Decides whether a sequence ends; called after the caller has received its latest token. @default never
   *  @param tokens  generated tokens, without the prompt */
  readonly isOver?: (tokens: readonly number[], sequence: number) => boolean
  /** Called when a sequence has ended. @default none */
  readonly onEnd?: (sequence: number) => void
  /** Limit on sequences decoded in parallel. @default 16 */
  readonly batch?: number
  /** Threads of the decoder. @default 1 */
  readonly threads?: number
}

/** A generated token of one of several sequences. */
export interface GeneratedToken {
  /** Index of its prompt. */
  readonly sequence: number
  /** Id of the token. */
  readonly token: number
}

/** Continues a prompt token by token.
 *  @param prompt  at least one token
 *  @returns the generated token ids, one by one */
export async function* generate(
  model: Model | OnnxModel,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<number> {
  for await (const { token } of generateAll(model, [prompt], options)) yield token
}

/**
 * Continues prompts. Prompts of the same length are decoded in parallel, one length after another. Every sequence draws
 * random numbers from the same seed, so it gets the tokens it would get alone, unless rounding decides between two tokens:
 * the last bits of sums depend on the batch size.
 *
 * @param prompts  at least one token each
 */
export async function* generateAll(
  model: Model | OnnxModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken> {
  const { batch = 16 } = options
  const groups = [...new Set(prompts.map(({ length }) => length))].flatMap((length) => {
    const sameLength = [...prompts.keys()].filter((i) => prompts[i]!.length === length)
    return Array.from({ length: Math.ceil(sameLength.length / batch) }, (_, i) =>
      sameLength.slice(i * batch, (i + 1) * batch),
    )
  })
  // Each group has its own decoder: weights are read once if they fit.
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
      // Ended sequences repeat their last token: all sequences of a batch share one position.
      prediction = await decoder.step(Int32Array.from(sequences, ({ tokens }) => tokens.at(-1)!))
    }
  } finally {
    await decoder.release()
  }
}
