import { embed, Forward } from './forward.js'
import type { Head } from './head.js'
import type { Model } from './model.js'
import type { TaskItem } from './tasks.js'

/** What a model makes of a text behind another. */
export interface Likelihood {
  /** Log-likelihood of its tokens together, in nats. */
  readonly sum: number
  /** Whether each is the most likely one: greedy generation gives this text. */
  readonly greedy: boolean
}

/** Most sequences, and tokens of them together, that are computed at once. */
const [mostSequences, mostTokens] = [16, 8192]

/** A sequence that is computed, and the items that it answers: those that differ in their last token alone share one. */
interface Shared {
  readonly ids: readonly number[]
  readonly items: { readonly at: number; readonly item: TaskItem }[]
}

/**
 * Likelihoods of answers behind their prompts, in the order of the items. Of logits, only those are computed that predict
 * tokens of answers; sequences of similar length are computed together, so that little is computed for padding.
 *
 * @param items  each with at least one token of prompt and answer
 */
export async function likelihoods(
  model: Model,
  head: Head,
  items: readonly TaskItem[],
  threads: number,
): Promise<readonly Likelihood[]> {
  const shared = new Map<string, Shared>()
  for (const [at, item] of items.entries()) {
    const ids = [...item.prompt, ...item.answer.slice(0, -1)]
    const key = ids.join()
    const one = shared.get(key) ?? { ids, items: [] }
    one.items.push({ at, item })
    shared.set(key, one)
  }
  const groups = new Map<number, Shared[]>()
  for (const one of shared.values()) {
    const length = Math.ceil(one.ids.length / 16) * 16
    const group = groups.get(length)
    if (group) group.push(one)
    else groups.set(length, [one])
  }
  const embedding = await model.embedding()
  const found = new Array<Likelihood>(items.length)
  for (const [length, group] of groups) {
    const batch = Math.max(1, Math.min(mostSequences, Math.floor(mostTokens / length), group.length))
    const forward = new Forward(batch, length, threads)
    try {
      for (let first = 0; first < group.length; first += batch) {
        const chunk = group.slice(first, first + batch)
        const ids = new Int32Array(batch * length)
        for (const [row, own] of chunk.entries()) ids.set(own.ids, row * length)
        const x = await forward.layers(model, embed(embedding, model.config, ids), 0, model.config.layers)
        await judge(x, length, chunk)
      }
    } finally {
      await forward.release()
    }
  }
  return found

  /** Judges the answers of sequences whose hidden states are there. */
  async function judge(x: Float32Array, length: number, chunk: readonly Shared[]): Promise<void> {
    const { hidden } = model.config
    const asked = chunk.flatMap(({ items }, row) => items.map((own) => ({ ...own, row })))
    const count = asked.reduce((sum, { item }) => sum + item.answer.length, 0)
    const states = new Float32Array(count * hidden)
    const labels = new Int32Array(count)
    let at = 0
    for (const { item, row } of asked)
      for (const [i, label] of item.answer.entries()) {
        const from = (row * length + item.prompt.length - 1 + i) * hidden
        states.set(x.subarray(from, from + hidden), at * hidden)
        labels[at++] = label
      }
    const { loss, best } = await head.answers(states, labels)
    at = 0
    for (const { item, at: index } of asked) {
      const end = at + item.answer.length
      const rows = loss.subarray(at, end)
      found[index] = { sum: -rows.reduce((a, b) => a + b, 0), greedy: best.subarray(at, end).every((own) => own === 1) }
      at = end
    }
  }
}
