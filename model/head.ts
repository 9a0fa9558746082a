import { Graph, Session, type Tensor, type Value } from '../tensor/index.js'
import { finalNorm, logitsOf } from './build.js'
import type { Model } from './model.js'
import type { ModelConfig } from './config.js'

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

/** The weights after the last layer. */
type Ends = { readonly head: Tensor; readonly norm: Tensor }

async function ends(model: Model): Promise<Ends> {
  const { hidden, vocabulary } = model.config
  return {
    head: { dtype: 'float32', dims: [vocabulary, hidden], data: await model.head() },
    norm: { dtype: 'float32', dims: [hidden], data: await model.norm() },
  }
}

/** Final norm and head. Logits are computed chunk by chunk: memory is chunk x vocabulary (16 MiB for vocabularies up to
 *  262,144), whatever the number of tokens. */
export class Head {
  private constructor(
    private readonly config: ModelConfig,
    /** Number of rows that are computed at once. */
    readonly chunk: number,
    private readonly modelEnds: Ends,
    private readonly parent: Ends,
    private readonly threads: number,
  ) {}
  private comparing: Promise<Session> | undefined
  private judging: Promise<Session> | undefined
  private projecting: Promise<Session> | undefined
  private answering: Promise<Session> | undefined

  /**
   * @param threads  @default 1
   * @param parent   the model that `compare` compares with; its final norm and head may differ. @default model
   */
  static async create(model: Model, threads = 1, parent = model): Promise<Head> {
    const chunk = Math.max(16, Math.min(1024, Math.floor(2 ** 22 / model.config.vocabulary)))
    const modelEnds = await ends(model)
    return new Head(model.config, chunk, modelEnds, parent === model ? modelEnds : await ends(parent), threads)
  }

  /** Builds the logits of input `name` with the weights `prefix` + `head` and `prefix` + `norm`. */
  private logitsOf(g: Graph, name: string, prefix = ''): Value {
    const { hidden, vocabulary } = this.config
    const head = g.input(`${prefix}head`, 'float32', [vocabulary, hidden])
    const norm = g.input(`${prefix}norm`, 'float32', [hidden])
    const x = g.input(name, 'float32', [this.chunk, hidden])
    return logitsOf(g, this.config, finalNorm(g, this.config, x, norm), head)
  }

  private session(build: (g: Graph) => void): Promise<Session> {
    const g = new Graph()
    build(g)
    return Session.create(g, { threads: this.threads })
  }

  /** Rows start..start+chunk-1 of hidden states, padded with zeros. */
  private rows(x: Float32Array, start: number): Tensor {
    const size = this.chunk * this.config.hidden
    let data = x.subarray(start * this.config.hidden, start * this.config.hidden + size)
    if (data.length < size) {
      const full = new Float32Array(size)
      full.set(data)
      data = full
    }
    return { dtype: 'float32', dims: [this.chunk, this.config.hidden], data }
  }

  /**
   * Yields logits chunk by chunk: [chunk, vocabulary], of which the first `count` rows are valid.
   *
   * @param x  hidden states before the final norm, [tokens, hidden]
   */
  async *logits(
    x: Float32Array,
  ): AsyncGenerator<{ start: number; count: number; logits: Float32Array; best: BigInt64Array }> {
    const tokens = x.length / this.config.hidden
    this.projecting ??= this.session((g) => {
      const y = this.logitsOf(g, 'x')
      g.output('logits', y)
      g.output('best', g.argmax(y, 1))
    })
    const session = await this.projecting
    for (let start = 0; start < tokens; start += this.chunk) {
      const out = await session.run({ ...this.modelEnds, x: this.rows(x, start) })
      const count = Math.min(this.chunk, tokens - start)
      yield { start, count, logits: out.logits!.data as Float32Array, best: out.best!.data as BigInt64Array }
    }
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
    const tokens = labels.length
    this.answering ??= this.session((g) => {
      const own = g.unsqueeze(g.input('labels', 'int64', [this.chunk]), 1)
      const y = this.logitsOf(g, 'x')
      g.output('loss', g.neg(g.gatherElements(g.logSoftmax(y), own, 1)))
      g.output('best', g.argmax(y, 1))
    })
    const session = await this.answering
    const loss = new Float32Array(tokens)
    const best = new Uint8Array(tokens)
    for (let start = 0; start < tokens; start += this.chunk) {
      const count = Math.min(this.chunk, tokens - start)
      const data = new BigInt64Array(this.chunk)
      for (let i = 0; i < count; i++) data[i] = BigInt(labels[start + i]!)
      const out = await session.run({
        ...this.modelEnds,
        x: this.rows(x, start),
        labels: { dtype: 'int64', dims: [this.chunk], data },
      })
      loss.set((out.loss!.data as Float32Array).subarray(0, count), start)
      for (let i = 0; i < count; i++) best[start + i] = (out.best!.data as BigInt64Array)[i] === data[i] ? 1 : 0
    }
    return { loss, best }
  }

  /** Builds the comparison at each position of a chunk; for a model without a parent, only its loss. */
  private predictions(alone: boolean): Promise<Session> {
    return this.session((g) => {
      const labels = g.unsqueeze(g.input('labels', 'int64', [this.chunk]), 1)
      const q = this.logitsOf(g, 'child')
      const logq = g.logSoftmax(q)
      g.output('loss', g.neg(g.gatherElements(logq, labels, 1)))
      if (alone) return
      const p = this.logitsOf(g, 'parent', 'parent.')
      const logp = g.logSoftmax(p)
      g.output('kl', g.sum(g.mul(g.exp(logp), g.sub(logp, logq)), [1]))
      g.output('parentLoss', g.neg(g.gatherElements(logp, labels, 1)))
      g.output('same', g.cast(g.equal(g.argmax(p, 1), g.argmax(q, 1)), 'float32'))
    })
  }

  /**
   * Compares predictions at all positions. If `parent` and `child` are the same array, logits are computed only once.
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
    const alone = parent === child && this.parent === this.modelEnds
    const session = await (alone
      ? (this.judging ??= this.predictions(true))
      : (this.comparing ??= this.predictions(false)))
    const sum = { kl: 0, loss: 0, parentLoss: 0, top1: 0, error: 0, power: 0, tokens: 0, targets: 0 }
    for (let start = 0; start < ids.length; start += this.chunk) {
      const labels = new BigInt64Array(this.chunk)
      const count = Math.min(this.chunk, ids.length - start)
      const hasNext = (i: number) => (start + i + 1) % length !== 0 && mask[start + i + 1] === 1
      for (let i = 0; i < count; i++) labels[i] = hasNext(i) ? BigInt(ids[start + i + 1]!) : 0n
      const out = await session.run({
        ...this.modelEnds,
        ...(!alone && {
          'parent.head': this.parent.head,
          'parent.norm': this.parent.norm,
          parent: this.rows(parent, start),
        }),
        child: this.rows(child, start),
        labels: { dtype: 'int64', dims: [this.chunk], data: labels },
      })
      const column = (name: string) => out[name]?.data as Float32Array | undefined
      const [kl, loss, parentLoss, same] = ['kl', 'loss', 'parentLoss', 'same'].map(column)
      for (let i = 0; i < count; i++) {
        if (mask[start + i] !== 1) continue
        sum.tokens++
        sum.kl += kl?.[i] ?? 0
        sum.top1 += same?.[i] ?? 1
        if (hasNext(i)) {
          sum.targets++
          sum.loss += loss![i]!
          sum.parentLoss += (parentLoss ?? loss!)[i]!
        }
        const row = (start + i) * this.config.hidden
        for (let j = row; j < row + this.config.hidden; j++) {
          sum.error += (child[j]! - parent[j]!) ** 2
          sum.power += parent[j]! ** 2
        }
      }
    }
    return sum
  }

  /** Frees native memory. The object cannot be used afterwards. */
  async release(): Promise<void> {
    for (const session of [this.comparing, this.judging, this.projecting, this.answering])
      await (await session)?.release()
  }
}
