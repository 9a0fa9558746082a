import type { KeyValue } from './write-file.js'
import { preName } from './tokenizer-bytes.js'
import { stepsOf, type Refuse, type Step, type TokenizerJson, type TokenList } from './tokenizer-json.js'

/** What splits texts before pairs are merged, by the name that llama.cpp has for it.
 *  @source https://github.com/ggml-org/llama.cpp, src/llama-vocab.cpp */
const splits: readonly {
  readonly name: string
  readonly regex: string
  /** Whether a word that is a token is taken whole, whatever the merges. */
  readonly ignoreMerges: boolean
}[] = [
  { name: 'llama-bpe', regex: splitOf('{1,3}'), ignoreMerges: true },
  { name: 'smaug-bpe', regex: splitOf('{1,3}'), ignoreMerges: false },
  { name: 'qwen2', regex: splitOf(''), ignoreMerges: false },
]

/** The regular expression of Llama 3 and Qwen2, which count digits together differently. */
function splitOf(digits: string): string {
  return (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" +
    `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
  )
}

/** Keys of a byte-level BPE tokenizer. */
export function byteLevelKeys(json: TokenizerJson, tokens: TokenList, refuse: Refuse): Record<string, KeyValue> {
  const { model, normalizer } = json
  if (model.type !== 'BPE')
    throw refuse(`byte-level tokenizers of the kind ${String(model.type)} are not known to llama.cpp`)
  // Texts are nearly always in that form already: llama.cpp's own converter passes over it as well.
  const other = stepsOf(normalizer).find(({ type }) => type !== 'NFC')
  if (other) throw refuse(`llama.cpp does not have its normaliser ${other.type}`)
  const merges = (model.merges ?? []).map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')))
  if (tokens.texts.some((text) => text.length === 0)) throw refuse('it has an empty token')
  return {
    'ggml.model': { type: 'string', value: 'gpt2' },
    'ggml.pre': { type: 'string', value: splitName(json, refuse) },
    'ggml.merges': { type: 'array', of: 'string', values: merges },
  }
}

function splitName({ pre_tokenizer: pre, model }: TokenizerJson, refuse: Refuse): string {
  const steps = stepsOf(pre)
  const ignoreMerges = model.ignore_merges === true
  const last = steps.at(-1)
  const read = preName(pre, ignoreMerges)
  if (read !== undefined) return read
  if (steps.some((step) => step.type === 'ByteLevel' && step.add_prefix_space === true))
    throw refuse('llama.cpp puts no space before texts that are split into bytes')
  if (last?.type === 'ByteLevel' && last.use_regex !== false && !ignoreMerges) {
    if (steps.length === 1) return 'gpt-2'
    if (steps.length === 2 && steps[0]!.type === 'Digits' && steps[0]!.individual_digits === true) return 'smollm'
  }
  const known =
    steps.length === 2 && last?.type === 'ByteLevel' && last.use_regex === false
      ? splits.find((own) => own.regex === regexOf(steps[0]!) && own.ignoreMerges === ignoreMerges)
      : undefined
  if (known) return known.name
  throw refuse('its way to split texts into words has no name in llama.cpp that is known here')
}

/** The regular expression of a step that keeps matches and what is between them as words of their own. */
function regexOf({ type, pattern, behavior, invert }: Step): string | undefined {
  if (type !== 'Split' || behavior !== 'Isolated' || invert === true) return undefined
  return (pattern as { readonly Regex?: string } | undefined)?.Regex
}
