import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The characters that byte-level tokenizers write bytes as: visible ones are themselves. */
const alphabet = ((): readonly string[] => {
  const visible = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(visible(byte) ? byte : next++))
})()

/** Writes a byte-level tokenizer of 261 tokens: a special one at each end of a text, one for each byte, two for pairs. */
export function writeByteTokenizer(folder: string): void {
  const special = ['<unk>', '<s>', '</s>']
  const merges = [
    ['a', 'b'],
    [alphabet[0xc3]!, alphabet[0xa9]!],
  ]
  const tokens = [...special, ...alphabet, ...merges.map((pair) => pair.join(''))]
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  const json = {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: null,
    pre_tokenizer: bytes,
    post_processor: null,
    decoder: bytes,
    model: {
      type: 'BPE',
      unk_token: null,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  }
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json))
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', eos_token: '</s>' }),
  )
}
