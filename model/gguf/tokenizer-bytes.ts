import type { Keys } from './read-keys.js'
import { textSplits } from './text-splits.js'
import type { TokenizerParts } from './tokenizer-parts.js'
import { shown } from '../../errors/foreign.js'

/** Reads a byte-level BPE tokenizer: `tokenizer.ggml.model` is "gpt2". */
export function byteLevelParts(keys: Keys): TokenizerParts {
  const name = keys.textOrNone('tokenizer.ggml.pre') ?? 'default'
  const split = textSplits.find(({ names }) => names.includes(name))
  if (!split)
    throw keys.refuse(
      `the way in which the tokenizer splits text, "${name}" (tokenizer.ggml.pre), is not supported`,
      `Supported: ${textSplits.flatMap(({ names }) => names).join(', ')}. Give token ids, or the model's Hugging Face folder.`,
    )
  const texts = keys.textsOrNone('tokenizer.ggml.merges')!
  const ranks = new Map<string, number>()
  texts.forEach((text, rank) => {
    if (endOfFirst(text) < 0) throw keys.refuse(`tokenizer.ggml.merges has ${shown(text)}, which is not a pair`)
    ranks.set(text, rank)
  })
  return {
    normalizer: split.normalizer ?? null,
    preTokenizer: split.preTokenizer,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    merges: {
      rank: (left, right) => ranks.get(`${left} ${right}`),
      list: () => texts.map((text) => [text.slice(0, endOfFirst(text)), text.slice(endOfFirst(text) + 1)]),
    },
    model: { ignore_merges: split.ignoreMerges === true },
    addsBos: split.addsBos === true,
  }
}

/** Position of the space between the two tokens of a merge. Byte-level tokens write their own spaces as another character. */
const endOfFirst = (merge: string): number => merge.indexOf(' ', 1)
