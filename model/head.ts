import { Graph, Session } from '../tensor/index.js'
import { logitsOf } from './build.js'
import type { Model } from './model.js'
import type { ModelConfig } from './config.js'
import { matrix, padded } from '../tensor/rows.js'
import { mostLogits, mostRows, VocabularySums, type Ends, type Predictions } from './vocabulary-sums.js'

/** Sums of the differences between two models' predictions. Divide them by `tokens` or `targets` for means. */
export interface Comparison {
  /** KL(parent || child) in nats, over `tokens`. */
  readonly kl: number
  /** Cross-entropy of the child for the next token, in nats, over `targets`. */
  readonly loss: number
  /** The same for the parent. */
  readonly parentLoss: number
  /** Number of positions where both have the same most likely token. */
  readonly top1: number
  /** Sum of squared differences of the hidden states before the final norm. */
  readonly error: number
  /** Sum of squares of the parent's hidden states. */
  readonly power: number
  /** Number of positions that are not padding. */
  readonly tokens: number
  /** Number of positions that have a next token. */
  readonly targets: number
}

async function ends(model: Model): Promise<Ends> {
  const rounds = model.config.headWeights !== undefined
  return { head: await model.head(), norm: await model.norm(), ...(rounds && { rounds }) }
}

/** Whether two heads have the same numbers. */
const same = (a: Float32Array, b: Float32Array): boolean => a === b || Buffer.compare(bytesOf(a), bytesOf(b)) === 0

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength)

/** What parents predict from hidden states, which many children are compared with, each by a head of its own. */
const parentPredictions = new WeakMap<Model, WeakMap<Float32Array, Promise<Predictions>>>()

/** Final norm and head. Memory is 16 MiB of logits, whatever the number of tokens: `logits` has chunks of whole rows, all else is
 *  computed over tiles of the vocabulary. */
export class Head {
  private readonly sums: VocabularySums
  private projecting: Promise<Session> | undefined

  private constructor(
    private readonly config: ModelConfig,
    /** Number of rows that `logits` computes at once. */
    readonly chunk: number,
    private readonly modelEnds: Ends,
    private readonly parentModel: Model,
    private readonly parent: Ends,
    private readonly threads: number,
  ) {
    this.sums = new VocabularySums(config, threads)
  }

  /**
   * @param threads  @default 1
   * @param parent   the model that `compare` compares with; its final norm and head may differ. @default model
   */
  static async create(model: Model, threads = 1, parent = model): Promise<Head> {
    const chunk = Math.max(16, Math.min(mostRows, Math.floor(mostLogits / model.config.vocabulary)))
    const parentEnds = await ends(parent)
    const own = parent === model ? parentEnds : await ends(model)
    // A child usually has its parent's head: one is enough in memory, and compares faster.
    const shared = same(own.head, parentEnds.head) ? { ...own, head: parentEnds.head } : own
    return new Head(model.config, chunk, parent === model ? parentEnds : shared, parent, parentEnds, threads)
  }

  /**
   * Yields logits chunk by chunk: [chunk, vocabulary], of which the first `count` rows are valid.
   *
   * @param x  hidden states before the final norm, [tokens, hidden]
   */
  async *logits(
    x: Float32Array,
  ): AsyncGenerator<{ start: number; count: number; logits: Float32Array; best: BigInt64Array }> {
    const { chunk, modelEnds } = this
    const { hidden, vocabulary } = this.config
    const tokens = x.length / hidden
    const session = await (this.projecting ??= this.projection())
    const head = matrix(modelEnds.head, vocabulary, hidden)
    for (let start = 0; start < tokens; start += chunk) {
      const normed = await this.sums.norm(padded(x, start, chunk, hidden), chunk, modelEnds)
      const out = await session.run({ head, x: matrix(normed, chunk, hidden) })
      const count = Math.min(chunk, tokens - start)
      yield { start, count, logits: out.logits!.data as Float32Array, best: out.best!.data as BigInt64Array }
    }
  }

  private projection(): Promise<Session> {
    const { hidden, vocabulary } = this.config
    const g = new Graph()
    const head = g.input('head', 'float32', [vocabulary, hidden])
    const y = logitsOf(g, this.config, g.input('x', 'float32', [this.chunk, hidden]), head)
    g.output('logits', y)
    g.output('best', g.argmax(y, 1))
    return Session.create(g, { threads: this.threads })
  }

  /**
   * Judges one token at each position.
   *
   * @param x       hidden states before the final norm, [tokens, hidden]
   * @param labels  the token behind each, [tokens]
   * @returns       its negative log-likelihood in nats, and whether it is the most likely one
   */
  async answers(
    x: Float32Array,
    labels: ArrayLike<number>,
  ): Promise<{ readonly loss: Float32Array; readonly best: Uint8Array }> {
    const predicted = await this.sums.predict(x, this.modelEnds)
    return {
      loss: Float32Array.from(this.losses(predicted, this.modelEnds, labels)),
      best: Uint8Array.from(labels, (label, i) => (predicted.best[i] === label ? 1 : 0)),
    }
  }

  /** The cross-entropy for one token at each position. */
  private losses(predicted: Predictions, own: Ends, labels: ArrayLike<number>): Float64Array {
    return this.sums.logitsAt(predicted, own, labels).map((logit, i) => Math.max(0, predicted.logSum[i]! - logit))
  }

  /**
   * Compares predictions at all positions. The parent's predictions are computed once for an array of its hidden states,
   * whatever the number of children that are compared with it.
   *
   * KL(p || q) = E_p[z_p - z_q] + log Z_q - log Z_p for logits z. If both share a head without a softcap, logits are linear in
   * the normed hidden state h, so E_p[z_p - z_q] is the mean row of the head under p times (h_p - h_q): the child's logits
   * are all that remains to compute for it.
   *
   * @param parent  hidden states before the final norm, [tokens, hidden]
   * @param child   the same for the child
   * @param ids     [tokens], sequences of `length`
   * @param mask    1 for real tokens, 0 for padding
   */
  async compare(
    parent: Float32Array,
    child: Float32Array,
    ids: Int32Array,
    mask: Float32Array,
    length: number,
  ): Promise<Comparison> {
    const { hidden } = this.config
    const alone = parent === child && this.parent === this.modelEnds
    const linear = this.parent.head === this.modelEnds.head && this.config.finalSoftcap === undefined
    const p = await this.parentPredictions(parent, linear && !alone)
    const q = alone ? p : await this.sums.predict(child, this.modelEnds)
    const cross = alone || linear ? undefined : await this.sums.crossTerms(p, this.parent, q, this.modelEnds)
    const hasNext = (i: number) => (i + 1) % length !== 0 && mask[i + 1] === 1
    const labels = ids.map((_, i) => (hasNext(i) ? ids[i + 1]! : 0))
    const losses = this.losses(q, this.modelEnds, labels)
    const parentLosses = alone ? losses : this.losses(p, this.parent, labels)
    const sum = { kl: 0, loss: 0, parentLoss: 0, top1: 0, error: 0, power: 0, tokens: 0, targets: 0 }
    for (let i = 0; i < ids.length; i++) {
      if (mask[i] !== 1) continue
      const row = i * hidden
      sum.tokens++
      if (!alone) {
        let terms = cross?.[i] ?? 0
        if (linear) for (let j = row; j < row + hidden; j++) terms += p.expected![j]! * (p.normed[j]! - q.normed[j]!)
        sum.kl += Math.max(0, terms + q.logSum[i]! - p.logSum[i]!)
      }
      sum.top1 += p.best[i] === q.best[i] ? 1 : 0
      if (hasNext(i)) {
        sum.targets++
        sum.loss += losses[i]!
        sum.parentLoss += parentLosses[i]!
      }
      for (let j = row; j < row + hidden; j++) {
        sum.error += (child[j]! - parent[j]!) ** 2
        sum.power += parent[j]! ** 2
      }
    }
    return sum
  }

  private async parentPredictions(states: Float32Array, wantExpected: boolean): Promise<Predictions> {
    let made = parentPredictions.get(this.parentModel)
    if (!made) parentPredictions.set(this.parentModel, (made = new WeakMap()))
    const known = await made.get(states)
    if (known && (known.expected || !wantExpected)) return known
    const predictions = this.sums.predict(states, this.parent, wantExpected)
    made.set(states, predictions)
    return predictions
  }

  /** Frees native memory. The object cannot be used afterwards. */
  async release(): Promise<void> {
    await this.sums.release()
    await (await this.projecting)?.release()
  }
}
