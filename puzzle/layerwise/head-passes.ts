import { finalNorm, type Model } from '../../model/index.js'
import { gradients, Graph, Session, type Tensor, type Value } from '../../tensor/index.js'
import { matrix } from '../../tensor/rows.js'

/** Positions of a step at which predictions are judged. */
export interface Judged {
  /** [count] */
  readonly positions: Int32Array
  /** What each counts: 1 / their number. */
  readonly weight: number
}

/** What a term of the loss came to, and its gradients. */
export interface HeadTerm {
  readonly loss: number
  /** By the hidden states before the last norm, [tokens, hidden]; 0 where nothing was judged. Absent if none were asked for. */
  readonly hidden?: Float32Array
  /** By the weight of the last norm, [hidden]. */
  readonly norm?: Float32Array
}

/** Vectors of the last norms, and the head that parent and child share. */
export interface HeadWeights {
  readonly norm: Float32Array
  readonly parentNorm: Float32Array
  readonly head: Float32Array
}

type Kind = 'kl' | 'lm'

/** The terms of the loss that look at predictions, for some positions at a time. */
export class HeadPasses {
  private readonly sessions = new Map<string, Promise<Session>>()

  /** @param rows  positions at once */
  constructor(
    private readonly parent: Model,
    private readonly child: Model,
    private readonly rows: number,
    private readonly threads: number,
  ) {}

  /** KL(parent || child). @param taught  the parent's hidden states before its last norm, [tokens, hidden] */
  kl(
    judged: Judged,
    taught: Float32Array,
    hidden: Float32Array,
    weights: HeadWeights,
    learns: boolean,
  ): Promise<HeadTerm> {
    return this.term('kl', judged, hidden, weights, learns, (rows) => ({ taught: this.rowsOf(taught, rows) }))
  }

  /** Cross-entropy. @param labels  the next token at each of the step's positions */
  lm(
    judged: Judged,
    labels: Int32Array,
    hidden: Float32Array,
    weights: HeadWeights,
    learns: boolean,
  ): Promise<HeadTerm> {
    return this.term('lm', judged, hidden, weights, learns, (rows) => {
      const data = new BigInt64Array(this.rows)
      rows.forEach((position, i) => (data[i] = BigInt(labels[position]!)))
      return { labels: { dtype: 'int64', dims: [this.rows], data } }
    })
  }

  private async term(
    kind: Kind,
    { positions, weight }: Judged,
    hidden: Float32Array,
    { norm, parentNorm, head }: HeadWeights,
    learns: boolean,
    others: (rows: Int32Array) => Record<string, Tensor>,
  ): Promise<HeadTerm> {
    const session = await this.session(kind, learns)
    const { hidden: size, vocabulary } = this.child.config
    const vector = (data: Float32Array): Tensor => ({ dtype: 'float32', dims: [data.length], data })
    const fixed = {
      norm: vector(norm),
      ...(kind === 'kl' && { parentNorm: vector(parentNorm) }),
      head: matrix(head, vocabulary, size),
    } as const
    const dHidden = learns ? new Float32Array(hidden.length) : undefined
    const dNorm = learns ? new Float32Array(size) : undefined
    let loss = 0
    for (let start = 0; start < positions.length; start += this.rows) {
      const rows = positions.subarray(start, start + this.rows)
      // What is missing to a whole chunk counts for nothing.
      const weights = new Float32Array(this.rows).fill(weight, 0, rows.length)
      const feeds = { ...fixed, ...others(rows), hidden: this.rowsOf(hidden, rows), weights: vector(weights) }
      const results = await session.run(feeds)
      loss += (results.loss!.data as Float32Array)[0]!
      if (!dHidden || !dNorm) continue
      const gradient = results.dHidden!.data as Float32Array
      rows.forEach((position, i) => dHidden.set(gradient.subarray(i * size, (i + 1) * size), position * size))
      const own = results.dNorm!.data as Float32Array
      for (let i = 0; i < size; i++) dNorm[i]! += own[i]!
    }
    return { loss, ...(dHidden && dNorm && { hidden: dHidden, norm: dNorm }) }
  }

  /** The hidden states at some positions, filled up with those of the first ones of the step. */
  private rowsOf(states: Float32Array, positions: Int32Array): Tensor {
    const size = this.child.config.hidden
    const data = states.slice(0, this.rows * size)
    positions.forEach((position, i) => data.set(states.subarray(position * size, (position + 1) * size), i * size))
    return matrix(data, this.rows, size)
  }

  private session(kind: Kind, learns: boolean): Promise<Session> {
    const key = `${kind} ${learns}`
    let session = this.sessions.get(key)
    if (!session) this.sessions.set(key, (session = this.build(kind, learns)))
    return session
  }

  private build(kind: Kind, learns: boolean): Promise<Session> {
    const { rows } = this
    const { hidden: size, vocabulary, finalSoftcap } = this.child.config
    const g = new Graph()
    const input = (name: string, shape: readonly number[]): Value => g.input(name, 'float32', shape)
    const [hidden, norm] = [input('hidden', [rows, size]), input('norm', [size])]
    const [head, weights] = [input('head', [vocabulary, size]), input('weights', [rows])]
    const softcap = finalSoftcap === undefined ? {} : { softcap: finalSoftcap }
    const normed = finalNorm(g, this.child.config, hidden, norm)
    const parent = this.parent.config
    const build = {
      kl() {
        const taught = finalNorm(g, parent, input('taught', [rows, size]), input('parentNorm', [size]))
        return g.klHead(g.stopGradient(taught), normed, head, weights, softcap)
      },
      lm: () => g.crossEntropyHead(normed, head, g.input('labels', 'int64', [rows]), weights, softcap),
    }
    const loss = build[kind]()
    g.output('loss', loss)
    if (learns) {
      const [dHidden, dNorm] = gradients(loss, [hidden, norm])
      g.output('dHidden', dHidden!)
      g.output('dNorm', dNorm!)
    }
    return Session.create(g, { threads: this.threads, keepsMemory: false })
  }

  /** Frees native memory. */
  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }
}
