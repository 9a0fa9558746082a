import type { KeyValue } from './write-file.js'
import { stepsOf, type Refuse, type TokenizerJson, type TokenList } from './tokenizer-json.js'
import { space, tokenTypes } from './types.js'
import { shown } from '../../errors/foreign.js'

/** Returns the keys of a SentencePiece BPE tokenizer: a space is a character like others, and unknown characters fall back to
 *  bytes.
 *  @throws Failure InvalidInput if llama.cpp would tokenise differently */
export function sentencePieceKeys(json: TokenizerJson, tokens: TokenList, refuse: Refuse): Record<string, KeyValue> {
  const { model } = json
  if (model.type !== 'BPE')
    throw refuse(`llama.cpp's tokenizers of the kind ${String(model.type)} do not produce the same tokens`)
  const bytes = tokens.types.filter((type) => type === tokenTypes.byte).length
  if (bytes !== 256) throw refuse(`llama.cpp needs a token for each of the 256 bytes, but it has ${bytes}`)
  const prefix = spacePrefix(json, tokens, refuse)
  return {
    'ggml.model': { type: 'string', value: 'llama' },
    'ggml.pre': { type: 'string', value: 'default' },
    'ggml.scores': { type: 'array', of: 'f32', values: scoresOf(json, tokens, refuse) },
    'ggml.add_space_prefix': { type: 'bool', value: prefix },
  }
}

/** Whether the tokenizer adds a space before texts. */
function spacePrefix({ normalizer, pre_tokenizer: pre }: TokenizerJson, tokens: TokenList, refuse: Refuse): boolean {
  let prefix = false
  let replaced = false
  for (const step of stepsOf(normalizer)) {
    const isSpace = (step.pattern as { readonly String?: string } | undefined)?.String === ' ' && step.content === space
    if (step.type === 'Prepend' && step.prepend === space) prefix = true
    else if (step.type === 'Replace' && isSpace) replaced = true
    else throw refuse(`llama.cpp does not support its normaliser ${step.type}`)
  }
  for (const step of stepsOf(pre)) {
    if (step.type === 'Metaspace' && step.replacement === space) {
      replaced = true
      prefix ||= step.prepend_scheme !== 'never'
      if (step.split !== false) requireWords(tokens, refuse)
    } else if (step.type === 'Split' && (step.pattern as { readonly String?: string }).String === ' ') {
      // By then, spaces have been replaced.
      if (!replaced) throw refuse('llama.cpp does not split texts at spaces')
    } else throw refuse(`llama.cpp does not support its pre-tokenizer ${step.type}`)
  }
  if (!replaced) throw refuse('llama.cpp writes spaces as ▁, but this tokenizer does not')
  return prefix
}

/** Refuses tokens that span a space: this tokenizer splits text at spaces, but llama.cpp does not. */
export function requireWords({ texts, types }: TokenList, refuse: Refuse): void {
  const across = texts.findIndex((text, id) => types[id] === tokenTypes.normal && text.indexOf(space, 1) > 0)
  if (across >= 0) throw refuse(`the token ${shown(texts[across])} spans a space, and llama.cpp would use it`)
}

/**
 * Scores for llama.cpp, which ranks the tokens that pairs become, and not the pairs. The result is the same if every pair that
 * becomes a token is a merge, and the merges of each token are consecutive.
 */
function scoresOf({ model }: TokenizerJson, { texts, types }: TokenList, refuse: Refuse): number[] {
  const pairs = (model.merges ?? []).map((pair) => (typeof pair === 'string' ? pair.split(' ') : pair))
  const listed = new Set(pairs.map(([left, right]) => `${left} ${right}`))
  const ranks = new Map<string, number>()
  let before: string | undefined
  for (const [left, right] of pairs) {
    const text = `${left}${right}`
    if (ranks.has(text) && before !== text)
      throw refuse(`pairs that become ${shown(text)} are merged at different ranks, which llama.cpp does not support`)
    if (!ranks.has(text)) ranks.set(text, ranks.size)
    before = text
  }
  const normal = new Set(texts.filter((_, id) => types[id] === tokenTypes.normal))
  return texts.map((text, id) => {
    if (types[id] !== tokenTypes.normal) return 0
    const letters = [...text]
    for (let at = 1; at < letters.length; at++) {
      const [left, right] = [letters.slice(0, at).join(''), letters.slice(at).join('')]
      if (normal.has(left) && normal.has(right) && !listed.has(`${left} ${right}`))
        throw refuse(`it does not merge ${shown(left)} and ${shown(right)} to the token ${shown(text)}; llama.cpp does`)
    }
    // Single letters are not the result of a merge, so their score has no effect.
    return -(ranks.get(text) ?? texts.length)
  })
}
