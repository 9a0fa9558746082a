import type { Json } from '../../api/index.js'
import type { Keys } from './read-keys.js'
import type { TokenizerParts } from './tokenizer-parts.js'

const split = (regex: string): Json => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
})
const bytes = (useRegex: boolean): Json => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
})
const sequence = (...pretokenizers: Json[]): Json => ({ type: 'Sequence', pretokenizers })

const contractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
const words = (digits: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

/** How text is split before merging, for each value of `tokenizer.ggml.pre` that is read.
 *  @source llama.cpp, src/llama-vocab.cpp */
interface Pre {
  readonly names: readonly string[]
  readonly split: Json
  /** Llama 3: a word that is a token is that token, whatever the merges. */
  readonly ignoreMerges?: true
  readonly addsBos?: true
  readonly normalizer?: Json
}

const pres: readonly Pre[] = [
  {
    names: ['llama-bpe', 'llama3', 'llama-v3'],
    split: sequence(split(words('\\p{N}{1,3}')), bytes(false)),
    ignoreMerges: true,
    addsBos: true,
  },
  { names: ['smaug-bpe'], split: sequence(split(words('\\p{N}{1,3}')), bytes(false)) },
  {
    // Qwen normalises text before it splits; llama.cpp leaves that out.
    names: ['qwen2', 'deepseek-r1-qwen'],
    split: sequence(split(words('\\p{N}')), bytes(false)),
    normalizer: { type: 'NFC' },
  },
  { names: ['gpt-2', 'phi-2'], split: bytes(true) },
  { names: ['smollm'], split: sequence({ type: 'Digits', individual_digits: true }, bytes(true)) },
  {
    names: ['default'],
    split: sequence(
      split('[\\p{P}\\$\\+<=>\\^~\\|]+'),
      split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"),
      split('\\p{N}+'),
      split('[0-9][0-9][0-9]'),
      bytes(false),
    ),
  },
]

/** The name of a way to split text that was read from a GGUF file; undefined for any other spelling.
 *  @param split  `pre_tokenizer` of a tokenizer.json */
export const preName = (split: unknown, ignoreMerges: boolean): string | undefined =>
  pres.find(
    (pre) => JSON.stringify(pre.split) === JSON.stringify(split) && (pre.ignoreMerges ?? false) === ignoreMerges,
  )?.names[0]

/** Byte-level BPE: `tokenizer.ggml.model` is "gpt2". */
export function byteLevelParts(keys: Keys): TokenizerParts {
  const name = keys.textOrNone('tokenizer.ggml.pre') ?? 'default'
  const pre = pres.find(({ names }) => names.includes(name))
  if (!pre)
    throw keys.refuse(
      `how the tokenizer splits text, "${name}" (tokenizer.ggml.pre), is not known`,
      `Supported: ${pres.flatMap(({ names }) => names).join(', ')}. Give token ids, or the model's Hugging Face folder.`,
    )
  const texts = keys.textsOrNone('tokenizer.ggml.merges')!
  const ranks = new Map<string, number>()
  texts.forEach((text, rank) => {
    if (endOfFirst(text) < 0) throw keys.refuse(`tokenizer.ggml.merges has ${JSON.stringify(text)}, which is no pair`)
    ranks.set(text, rank)
  })
  return {
    normalizer: pre.normalizer ?? null,
    preTokenizer: pre.split,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    merges: {
      rank: (left, right) => ranks.get(`${left} ${right}`),
      list: () => texts.map((text) => [text.slice(0, endOfFirst(text)), text.slice(endOfFirst(text) + 1)]),
    },
    model: { ignore_merges: pre.ignoreMerges === true },
    addsBos: pre.addsBos === true,
  }
}

/** Where the space between a merge's pair is: those within tokens are written otherwise. */
const endOfFirst = (merge: string): number => merge.indexOf(' ', 1)
