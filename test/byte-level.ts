import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../api/index.js'
import { addedToken } from './added-token.js'

/** Tokens of the byte-level tokenizer that no text has by itself. */
export const special: readonly string[] = ['<pad>', '<s>', '</s>', '<|user|>', '<|assistant|>', '<|end|>']

/** Its chat template: a conversation of users and assistants. */
export const chatTemplate =
  '{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}'

/** GPT-2's characters for bytes: printable ones stand for themselves. */
const bytes = ((): string[] => {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
  let others = 0
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : 256 + others++))
})()

/** Pairs that make words, with a space before them, of their characters. */
function mergesOf(words: readonly string[]): [string, string][] {
  const merges = new Map<string, [string, string]>()
  for (const word of words) {
    let whole = bytes[32]!
    for (const letter of word) {
      merges.set(whole + letter, [whole, letter])
      whole += letter
    }
  }
  return [...merges.values()]
}

/**
 * Writes the tokenizer of a model as most of today's are: byte-level BPE as GPT-2's, `<s>` in front, with a chat template.
 * @param words  that are tokens where a space is before them
 * @returns the number of its tokens
 */
export function writeByteLevelTokenizer(folder: string, words: readonly string[]): number {
  const merges = mergesOf(words)
  const tokens = [...special, ...bytes, ...merges.map((pair) => pair.join(''))]
  const piece = (id: string): JsonObject => ({ Sequence: { id, type_id: 0 } })
  const bos: JsonObject = { SpecialToken: { id: '<s>', type_id: 0 } }
  const split = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  const json: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(addedToken),
    normalizer: null,
    pre_tokenizer: split,
    post_processor: {
      type: 'TemplateProcessing',
      single: [bos, piece('A')],
      pair: [bos, piece('A'), bos, piece('B')],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: split,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((text, id) => [text, id])),
      merges,
    },
  }
  const config: JsonObject = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    bos_token: '<s>',
    eos_token: '</s>',
    pad_token: '<pad>',
    chat_template: chatTemplate,
  }
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json))
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
  return tokens.length
}
