import type { KeyValue } from './write-file.js'
import { splitName } from './text-splits.js'
import { stepsOf, type Refuse, type TokenizerJson, type TokenList } from './tokenizer-json.js'

/** Returns the keys of a byte-level BPE tokenizer. @throws Failure InvalidInput if llama.cpp would tokenise differently */
export function byteLevelKeys(json: TokenizerJson, tokens: TokenList, refuse: Refuse): Record<string, KeyValue> {
  const { model, normalizer } = json
  if (model.type !== 'BPE')
    throw refuse(`byte-level tokenizers of the kind ${String(model.type)} are not known to llama.cpp`)
  // NFC is ignored, as in llama.cpp's converter: nearly all text is in NFC already.
  const other = stepsOf(normalizer).find(({ type }) => type !== 'NFC')
  if (other) throw refuse(`llama.cpp does not support its normaliser ${other.type}`)
  const merges = (model.merges ?? []).map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')))
  if (tokens.texts.some((text) => text.length === 0)) throw refuse('it has an empty token')
  return {
    'ggml.model': { type: 'string', value: 'gpt2' },
    'ggml.pre': { type: 'string', value: preKey(json, refuse) },
    'ggml.merges': { type: 'array', of: 'string', values: merges },
  }
}

function preKey({ pre_tokenizer: pre, model }: TokenizerJson, refuse: Refuse): string {
  const name = splitName(pre, model.ignore_merges === true)
  if (name !== undefined) return name
  if (stepsOf(pre).some((step) => step.type === 'ByteLevel' && step.add_prefix_space === true))
    throw refuse('llama.cpp adds no space before texts for byte-level tokenizers')
  throw refuse('its pre-tokenizer matches none that llama.cpp is known to have')
}
