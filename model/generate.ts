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
  /** Prompts are decoded in parallel if their lengths differ by at most this: what the longer ones have more is read token by token.
   *  @default 0 */
  readonly mostApart?: number
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
 * Continues prompts. Prompts of the same length, or of similar ones, are decoded in parallel, one group after another. Every
 * sequence draws random numbers from the same seed, so it gets the tokens it would get alone, unless rounding decides between two
 * tokens: the last bits of sums depend on the size of the batch, and on how many tokens of a prompt are read at once.
 *
 * @param prompts  at least one token each
 */
export async function* generateAll(
  model: Model | OnnxModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken> {
  const groups = groupsOf(prompts, options)
  // Each group has its own decoder: weights are read once if they fit.
  const source = model instanceof OnnxModel || groups.length === 1 ? model : cacheWeights(model)
  for (const group of groups) yield* generateGroup(source, prompts, group, options)
}

/** Prompts that are decoded in parallel, each by its index. */
function groupsOf(
  prompts: readonly (readonly number[])[],
  { batch = 16, mostApart = 0 }: Pick<GenerateOptions, 'batch' | 'mostApart'>,
): readonly (readonly number[])[] {
  const groups: { readonly members: number[]; shortest: number; longest: number }[] = []
  for (const [i, { length }] of prompts.entries()) {
    const group = groups.find(
      ({ members, shortest, longest }) =>
        members.length < batch && Math.max(longest, length) - Math.min(shortest, length) <= mostApart,
    )
    if (!group) groups.push({ members: [i], shortest: length, longest: length })
    else {
      group.members.push(i)
      group.shortest = Math.min(group.shortest, length)
      group.longest = Math.max(group.longest, length)
    }
  }
  return groups.map(({ members }) => members)
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
    const shortest = Math.min(...group.map((sequence) => prompts[sequence]!.length))
    const read = group.flatMap((sequence) => prompts[sequence]!.slice(0, shortest))
    let prediction = await decoder.prefill(Int32Array.from(read))
    for (let position = shortest; ; position++) {
      for (const [row, own] of sequences.entries()) {
        if (own.over || position < prompts[own.sequence]!.length) continue
        const token = next(prediction, row)
        own.tokens.push(token)
        const ended = !ignoreEos && model.config.eos.includes(token)
        yield { sequence: own.sequence, token }
        own.over = own.tokens.length === maxTokens || ended || isOver?.(own.tokens, own.sequence) === true
        if (own.over) onEnd?.(own.sequence)
      }
      if (sequences.every(({ over }) => over)) return
      // Ended sequences repeat their last token: all sequences of a batch share one position.
      prediction = await decoder.step(
        Int32Array.from(sequences, ({ sequence, tokens }) => prompts[sequence]![position] ?? tokens.at(-1)!),
      )
    }
  } finally {
    await decoder.release()
  }
}
