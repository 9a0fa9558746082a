import type { Model } from './model.js'
import type { Forward } from './forward.js'
import { embed } from './forward.js'
import type { Head } from './head.js'
import type { Tokenizer } from './tokenizer.js'

/** A question and its expected answer as token ids. */
export interface TaskItem {
  /** Token ids of the question. */
  readonly prompt: readonly number[]
  /** Token ids of the answer. */
  readonly answer: readonly number[]
}

/**
 * Tokenises a question and its answer as one text and splits it after the question, as lm-evaluation-harness does: a model
 * answers "2 + 2 =" with the one token " 4". Blanks at the end of the question go to the answer; if neither has one, a space
 * separates them (the harness's `target_delimiter`).
 */
export function taskItem(tokenizer: Pick<Tokenizer, 'encode'>, prompt: string, answer: string): TaskItem {
  const question = prompt.trimEnd()
  const given = prompt.slice(question.length) + answer
  const behind = question === '' || /^\s/.test(given) ? given : ` ${given}`
  const questionIds = tokenizer.encode(question, { special: false })
  const whole = tokenizer.encode(question + behind, { special: false })
  // Keeps tokens that the tokenizer adds before a text, but not those that it adds after one.
  const begun = tokenizer.encode(question)
  const first = begun.findIndex((_, i) => questionIds.every((id, k) => begun[i + k] === id))
  return {
    prompt: [
      ...(questionIds.length === 0 ? begun : begun.slice(0, Math.max(0, first))),
      ...whole.slice(0, questionIds.length),
    ],
    answer: answer === '' ? [] : whole.slice(questionIds.length),
  }
}

/**
 * Computes the share of items, from 0 to 1, whose greedy continuation is exactly the answer. Nothing is generated: each
 * token of the answer must be the most likely one after the prompt and the preceding tokens of the answer.
 */
export async function answerAccuracy(
  model: Model,
  head: Head,
  forward: Forward,
  items: readonly TaskItem[],
): Promise<number> {
  const { batch, length } = forward
  const { layers } = model.config
  const embedding = await model.embedding()
  let correct = 0
  for (let first = 0; first < items.length; first += batch) {
    const chunk = items.slice(first, first + batch)
    const ids = new Int32Array(batch * length)
    for (const [row, { prompt, answer }] of chunk.entries()) {
      if (prompt.length + answer.length > length)
        throw new Error(`Internal error: an item of ${prompt.length + answer.length} tokens in sequences of ${length}`)
      ids.set([...prompt, ...answer], row * length)
    }
    const x = await forward.layers(model, embed(embedding, model.config, ids), 0, layers)
    const best = new Int32Array(batch * length)
    for await (const { start, count, best: found } of head.logits(x))
      for (let i = 0; i < count; i++) best[start + i] = Number(found[i])
    for (const [row, { prompt, answer }] of chunk.entries()) {
      const at = row * length + prompt.length - 1
      if (answer.every((id, i) => best[at + i] === id)) correct++
    }
  }
  return correct / items.length
}
