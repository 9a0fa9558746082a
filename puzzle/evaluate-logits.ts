import { embed, Forward, Head, mostLikely, OnnxModel, type Comparison, type Model } from '../model/index.js'
import type { Likelihood, TaskItem } from '../model/index.js'

/** Sums over tokens of the differences between predictions. */
export type Sums = Pick<Comparison, 'kl' | 'loss' | 'parentLoss' | 'top1' | 'tokens' | 'targets'>

/** Logits of whole sequences, for any kind of model. */
export class LogitsOf {
  private constructor(
    /** Yields the logits at each position of a sequence, [vocabulary]. A row is valid until the next is requested. */
    readonly rows: (ids: readonly number[]) => AsyncGenerator<Float32Array>,
    readonly release: () => Promise<void>,
  ) {}

  /** Opens a model. @param length  number of tokens of the longest sequence */
  static async create(model: Model | OnnxModel, length: number, threads: number): Promise<LogitsOf> {
    if (model instanceof OnnxModel)
      // The caller releases the graph.
      return new LogitsOf(
        (ids) => model.logits(Int32Array.from(ids)),
        async () => {},
      )
    const { config } = model
    const forward = new Forward(1, length, threads)
    const head = await Head.create(model, threads)
    async function* rows(ids: readonly number[]): AsyncGenerator<Float32Array> {
      const padded = new Int32Array(length)
      padded.set(ids)
      const x = await forward.layers(
        model as Model,
        embed(await (model as Model).embedding(), config, padded),
        0,
        config.layers,
      )
      for await (const { count, logits } of head.logits(x.subarray(0, ids.length * config.hidden)))
        for (let i = 0; i < count; i++) yield logits.subarray(i * config.vocabulary, (i + 1) * config.vocabulary)
    }
    const release = async () => {
      await head.release()
      await forward.release()
    }
    return new LogitsOf(rows, release)
  }
}

/** Computes the loss of a sequence and compares its logits with those of a parent, if there is one. */
export async function compareLogits(ids: readonly number[], own: LogitsOf, parent?: LogitsOf): Promise<Sums> {
  const sums = { kl: 0, loss: 0, parentLoss: 0, top1: 0, tokens: 0, targets: 0 }
  const parents = parent?.rows(ids)
  for await (const q of own.rows(ids)) {
    const p = parents ? ((await parents.next()).value as Float32Array) : q
    const logQ = logOfSum(q)
    const logP = p === q ? logQ : logOfSum(p)
    const next = ids[++sums.tokens]
    if (next !== undefined) {
      sums.targets++
      sums.loss += logQ - q[next]!
      sums.parentLoss += logP - p[next]!
    }
    if (p === q) {
      sums.top1++
      continue
    }
    for (let i = 0; i < p.length; i++) {
      const [a, b] = [p[i]! - logP, q[i]! - logQ]
      sums.kl += Math.exp(a) * (a - b)
    }
    if (mostLikely(p) === mostLikely(q)) sums.top1++
  }
  await parents?.return(undefined)
  return sums
}

/** Computes the likelihoods of answers after their prompts. */
export async function likelihoodsByLogits(own: LogitsOf, items: readonly TaskItem[]): Promise<readonly Likelihood[]> {
  const found: Likelihood[] = []
  for (const { prompt, answer } of items) {
    let [at, sum, greedy] = [0, 0, true]
    for await (const row of own.rows([...prompt, ...answer])) {
      const expected = answer[++at - prompt.length]
      if (at < prompt.length || expected === undefined) continue
      sum += row[expected]! - logOfSum(row)
      greedy &&= mostLikely(row) === expected
    }
    found.push({ sum, greedy })
  }
  return found
}

/** Log of the sum of exponentials. */
function logOfSum(logits: Float32Array): number {
  let largest = -Infinity
  for (const x of logits) if (x > largest) largest = x
  let sum = 0
  for (const x of logits) sum += Math.exp(x - largest)
  return largest + Math.log(sum)
}
