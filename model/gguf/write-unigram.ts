import type { KeyValue } from './write-file.js'
import { requireWords } from './write-sentencepiece.js'
import { spaceSteps } from './tokenizer-unigram.js'
import { stepsOf, type Refuse, type Step, type TokenizerJson, type TokenList } from './tokenizer-json.js'
import { space, tokenTypes } from './types.js'
import { shown } from '../../errors/foreign.js'

/** A score below that of any piece: the token is never chosen. */
const never = -1e6

/**
 * Returns the keys of a Unigram tokenizer, which llama.cpp calls "t5". Of all ways to write a text with pieces, llama.cpp takes
 * the one with the largest sum of scores. Adjacent characters without a piece become one unknown token, with a score of 10
 * below the smallest.
 * @throws Failure InvalidInput if llama.cpp would tokenise differently
 */
export function unigramKeys(json: TokenizerJson, tokens: TokenList, refuse: Refuse): Record<string, KeyValue> {
  const { scores, byte_fallback: bytes, unk_token: unknown } = json.model
  if (bytes) throw refuse('llama.cpp does not support byte fallback in Unigram tokenizers')
  if (unknown === undefined) throw refuse('llama.cpp needs an unknown token')
  const userDefined = tokens.types.indexOf(tokenTypes.userDefined)
  if (userDefined >= 0) throw refuse(`llama.cpp reads the added token ${shown(tokens.texts[userDefined])} as text`)
  const prefix = spacePrefix(json, tokens, refuse)
  const scoreOf = (type: number, id: number) =>
    type === tokenTypes.normal ? scores![id]! : type === tokenTypes.unused ? never : 0
  return {
    'ggml.model': { type: 'string', value: 't5' },
    'ggml.pre': { type: 'string', value: 'default' },
    'ggml.scores': { type: 'array', of: 'f32', values: tokens.types.map(scoreOf) },
    'ggml.add_space_prefix': { type: 'bool', value: prefix },
    'ggml.remove_extra_whitespaces': { type: 'bool', value: prefix },
  }
}

/**
 * Whether exactly one space precedes each word, including the first, however many the text has; otherwise, spaces stay as in
 * the text. llama.cpp supports only these two ways: if it adds a space before the first word, it must also remove the extra
 * ones.
 * @throws Failure InvalidInput for any other treatment of spaces
 */
function spacePrefix({ normalizer, pre_tokenizer: pre }: TokenizerJson, tokens: TokenList, refuse: Refuse): boolean {
  const done = new Set<string>()
  for (const step of stepsOf(normalizer)) {
    const regex = (step.pattern as { readonly Regex?: string } | undefined)?.Regex
    const known = Object.values(spaceSteps).find(([own, content]) => own === regex && content === step.content)
    if (step.type !== 'Replace' || !known) throw refuse(`llama.cpp does not support its normaliser ${describe(step)}`)
    done.add(known[0])
  }
  const [metaspace, ...others] = stepsOf(pre)
  if (metaspace?.type !== 'Metaspace' || metaspace.replacement !== space || others.length > 0)
    throw refuse('llama.cpp splits text only at spaces, written as ▁ (the pre-tokenizer Metaspace)')
  if (metaspace.split !== false) requireWords(tokens, refuse)
  const scheme =
    (metaspace.prepend_scheme as string | undefined) ?? (metaspace.add_prefix_space === false ? 'never' : 'always')
  const [joins, trims] = [done.has(spaceSteps.joining[0]), done.has(spaceSteps.trimming[0])]
  if (scheme === 'always' && joins && trims) return true
  if (scheme === 'never' && !joins && !trims) return false
  throw refuse(
    `llama.cpp treats spaces differently (Metaspace "${scheme}", runs of spaces ${joins ? 'joined' : 'kept'}, ends ${trims ? 'trimmed' : 'kept'})`,
  )
}

const describe = ({ type, pattern }: Step): string => (pattern ? `${type} ${shown(pattern)}` : type)
