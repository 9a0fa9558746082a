import type { Json } from '../../api/index.js'
import { stepsOf, type Step } from './tokenizer-json.js'

/** A way to split text before merging, as `tokenizer.ggml.pre` names it.
 *  @source https://github.com/ggml-org/llama.cpp, src/llama-vocab.cpp */
export interface TextSplit {
  /** All names that llama.cpp knows for it; the first is the one written. */
  readonly names: readonly string[]
  /** `pre_tokenizer` of tokenizer.json. */
  readonly preTokenizer: Step
  /** The same as Hugging Face's tokenizers spell it, if JavaScript cannot. */
  readonly alsoSpelled?: Step
  /** Whether a word that is a token becomes that token, whatever the merges (Llama 3). */
  readonly ignoreMerges?: true
  readonly addsBos?: true
  readonly normalizer?: Json
}

const split = (regex: string): Step => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
})
const bytes = (useRegex: boolean): Step => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
})
const sequence = (...pretokenizers: Step[]): Step => ({ type: 'Sequence', pretokenizers })

/** The split of Llama 3 and Qwen2, which group digits differently. */
const words = (digits: string): Pick<TextSplit, 'preTokenizer' | 'alsoSpelled'> => {
  const after = (contractions: string) =>
    sequence(
      split(
        `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
      ),
      bytes(false),
    )
  return {
    preTokenizer: after("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"),
    alsoSpelled: after("(?i:'s|'t|'re|'ve|'m|'ll|'d)"),
  }
}

export const textSplits: readonly TextSplit[] = [
  { names: ['llama-bpe', 'llama3', 'llama-v3'], ...words('\\p{N}{1,3}'), ignoreMerges: true, addsBos: true },
  { names: ['smaug-bpe'], ...words('\\p{N}{1,3}') },
  // Qwen normalises text before splitting it; llama.cpp does not.
  { names: ['qwen2', 'deepseek-r1-qwen'], ...words('\\p{N}'), normalizer: { type: 'NFC' } },
  { names: ['gpt-2', 'phi-2'], preTokenizer: bytes(true) },
  { names: ['smollm'], preTokenizer: sequence({ type: 'Digits', individual_digits: true }, bytes(true)) },
  {
    names: ['default'],
    preTokenizer: sequence(
      split('[\\p{P}\\$\\+<=>\\^~\\|]+'),
      split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"),
      split('\\p{N}+'),
      split('[0-9][0-9][0-9]'),
      bytes(false),
    ),
  },
]

/** Finds llama.cpp's name for the split of a tokenizer.json; undefined if it has none.
 *  @param preTokenizer  `pre_tokenizer` of tokenizer.json
 *  @param ignoreMerges  whether a word that is a token is that token, whatever the merges */
export const splitName = (preTokenizer: Step | null | undefined, ignoreMerges: boolean): string | undefined => {
  const meaning = meaningOf(preTokenizer)
  return textSplits.find(
    (known) =>
      (known.ignoreMerges ?? false) === ignoreMerges &&
      [known.preTokenizer, known.alsoSpelled].some(
        (spelling) => spelling !== undefined && meaningOf(spelling) === meaning,
      ),
  )?.names[0]
}

/** Normalises a pre-tokenizer for comparison: without offsets, and with defaults filled in. */
const meaningOf = (preTokenizer: Step | null | undefined): string =>
  JSON.stringify(
    stepsOf(preTokenizer).map((step) => {
      switch (step.type) {
        case 'ByteLevel':
          return { type: step.type, space: step.add_prefix_space === true, regex: step.use_regex !== false }
        case 'Split':
          return { type: step.type, pattern: step.pattern, behavior: step.behavior, invert: step.invert === true }
        default:
          return step
      }
    }),
  )
