import type { Tokenizer } from './tokenizer.js'

/** A question and its expected answer as token ids. */
export interface TaskItem {
  /** Token ids of the question. */
  readonly prompt: readonly number[]
  /** Token ids of the answer. */
  readonly answer: readonly number[]
}

/** A tokenizer, as far as it is needed here. */
type Encoder = Pick<Tokenizer, 'encode'> & Partial<Pick<Tokenizer, 'prefix'>>

/**
 * Tokenises a text and what follows it as one, and divides the tokens where those of the text end, as lm-evaluation-harness
 * does: a model continues "2 + 2 =" with the one token " 4". Blanks at the end of the text go to what follows.
 *
 * If a token lies across the boundary, it belongs to what follows, and so does everything behind it: the tokens are those
 * of the whole in any case. (The harness repeats or loses characters there.)
 */
export function divided(tokenizer: Encoder, text: string, following: string): TaskItem {
  const [only] = dividedEach(tokenizer, text, [following])
  return { prompt: only!.prompt, answer: only!.answer }
}

/** The same for several texts that may follow. All have the same prompt, so that their likelihoods can be compared. */
export function dividedEach(tokenizer: Encoder, text: string, following: readonly string[]): readonly TaskItem[] {
  const question = text.trimEnd()
  const blanks = text.slice(question.length)
  const own = tokenizer.encode(question, { special: false })
  const whole = following.map((rest) => tokenizer.encode(question + blanks + rest, { special: false }))
  // Tokens that the tokenizer adds before a text; those it adds after a text do not follow an answer.
  const begun = tokenizer.encode(question)
  const first = begun.findIndex((_, i) => own.every((id, k) => begun[i + k] === id))
  const added = own.length === 0 ? begun : begun.slice(0, Math.max(0, first))
  const shared = Math.min(own.length, ...whole.map((ids) => commonLength(own, ids)))
  return whole.map((ids) => ({ prompt: [...added, ...ids.slice(0, shared)], answer: ids.slice(shared) }))
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

/**
 * A question and its answer, divided as `divided` does; if neither has blanks where they meet, a space separates them (the
 * harness's `target_delimiter`).
 */
export function taskItem(tokenizer: Encoder, prompt: string, answer: string): TaskItem {
  const blanks = prompt.slice(prompt.trimEnd().length)
  const apart = prompt.trimEnd() === '' || /^\s/.test(blanks + answer)
  return answer === ''
    ? { prompt: divided(tokenizer, prompt.trimEnd(), '').prompt, answer: [] }
    : divided(tokenizer, prompt, apart ? answer : ` ${answer}`)
}
