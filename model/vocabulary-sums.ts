import { Graph, roundActivations, Session, type Tensor, type Value } from '../tensor/index.js'
import { matrix, padded } from '../tensor/rows.js'
import { finalNorm, logitsOf } from './build.js'
import type { ModelConfig } from './config.js'

/** The weights after the last layer. */
export interface Ends {
  /** [vocabulary, hidden] */
  readonly head: Float32Array
  /** [hidden] */
  readonly norm: Float32Array
  /** Whether the head is quantised: its product rounds what it multiplies. */
  readonly rounds?: boolean
}

/** What a model predicts at each position, without its logits. */
export interface Predictions {
  /** Hidden states after the final norm, as the head multiplies them, [tokens, hidden]. */
  readonly normed: Float32Array
  /** Logarithm of the sum of exponentials of the logits, [tokens]. */
  readonly logSum: Float64Array
  /** The most likely token, [tokens]. */
  readonly best: Int32Array
  /** The head's rows, averaged with the probabilities of their tokens, [tokens, hidden]. */
  readonly expected?: Float32Array
}

/** Numbers in the largest matrix of logits: 16 MiB. */
export const mostLogits = 2 ** 22
const widest = 2 ** 13
export const mostRows = 1024

/**
 * Sums over the vocabulary, tile by tile: memory is rows x columns of a tile (16 MiB), whatever the number of tokens and the size
 * of the vocabulary. A tile has many rows, so that the head, which can be larger than all layers together, is read from memory
 * seldom.
 */
export class VocabularySums {
  private readonly sessions = new Map<string, Promise<Session>>()
  /** Columns of a tile; the last tile may have fewer. */
  private readonly width: number
  /** Rows of a tile at most. */
  private readonly rows: number

  constructor(
    private readonly config: ModelConfig,
    private readonly threads: number,
  ) {
    const { vocabulary } = config
    this.width = Math.ceil(vocabulary / Math.ceil(vocabulary / widest))
    this.rows = Math.min(mostRows, Math.floor(mostLogits / this.width))
  }

  /**
   * Predicts from hidden states before the final norm, [tokens, hidden].
   * @param wantExpected  whether the mean rows of the head are computed, which costs as much again
   */
  async predict(x: Float32Array, ends: Ends, wantExpected = false): Promise<Predictions> {
    const { hidden } = this.config
    const tokens = x.length / hidden
    const normed = new Float32Array(x.length)
    const logSum = new Float64Array(tokens)
    const best = new Int32Array(tokens)
    const expected = wantExpected ? new Float32Array(x.length) : undefined
    for (const { start, count, rows } of this.blocks(tokens)) {
      const input = await this.norm(padded(x, start, rows, hidden), rows, ends)
      normed.set(input.subarray(0, count * hidden), start * hidden)
      const top = new Float64Array(count).fill(-Infinity)
      const sums = new Float64Array(count)
      for (const { first, width } of this.tiles()) {
        const out = await this.run(
          `${wantExpected ? 'expected' : 'sums'} ${rows} ${width}`,
          (g) => this.sums(g, rows, width, wantExpected),
          {
            x: matrix(input, rows, hidden),
            head: this.tile(ends, first, width),
          },
        )
        const [max, sum, mean] = ['max', 'sum', 'expected'].map((name) => out[name]?.data as Float32Array | undefined)
        const winner = out.best!.data as BigInt64Array
        for (let i = 0; i < count; i++) {
          const before = top[i]!
          if (max![i]! > before) {
            top[i] = max![i]!
            best[start + i] = first + Number(winner[i])
          }
          // A tile's sum is relative to its own maximum.
          const [old, own] = [Math.exp(before - top[i]!), Math.exp(max![i]! - top[i]!)]
          sums[i] = sums[i]! * old + sum![i]! * own
          if (mean)
            for (let j = 0, at = (start + i) * hidden; j < hidden; j++)
              expected![at + j] = expected![at + j]! * old + mean[i * hidden + j]! * own
        }
      }
      for (let i = 0; i < count; i++) {
        logSum[start + i] = top[i]! + Math.log(sums[i]!)
        if (expected)
          for (let j = 0, at = (start + i) * hidden; j < hidden; j++) expected[at + j] = expected[at + j]! / sums[i]!
      }
    }
    return { normed, logSum, best, ...(expected && { expected }) }
  }

  /**
   * Cross terms of predictions by any two heads: at each position, the sum over the vocabulary of the first's probability times
   * (its logit - the second's), [tokens]. With `logSum` they give the KL.
   */
  async crossTerms(p: Predictions, pEnds: Ends, q: Predictions, qEnds: Ends): Promise<Float64Array> {
    const { hidden } = this.config
    const terms = new Float64Array(p.logSum.length)
    for (const { start, count, rows } of this.blocks(terms.length)) {
      const logSum = new Float32Array(rows)
      logSum.set(p.logSum.subarray(start, start + count))
      for (const { first, width } of this.tiles()) {
        const out = await this.run(`cross ${rows} ${width}`, (g) => this.cross(g, rows, width), {
          p: matrix(padded(p.normed, start, rows, hidden), rows, hidden),
          q: matrix(padded(q.normed, start, rows, hidden), rows, hidden),
          logSum: { dtype: 'float32', dims: [rows, 1], data: logSum },
          pHead: this.tile(pEnds, first, width),
          qHead: this.tile(qEnds, first, width),
        })
        const sum = out.sum!.data as Float32Array
        for (let i = 0; i < count; i++) terms[start + i] = terms[start + i]! + sum[i]!
      }
    }
    return terms
  }

  /** The logit of one token at each position of predictions, in float64. */
  logitsAt({ normed }: Predictions, { head }: Ends, labels: ArrayLike<number>): Float64Array {
    const { hidden, finalSoftcap: cap } = this.config
    return Float64Array.from({ length: labels.length }, (_, i) => {
      const z = dot(normed, i * hidden, head, labels[i]! * hidden, hidden)
      return cap === undefined ? z : cap * Math.tanh(z / cap)
    })
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
  }

  /** Blocks of rows: as many as a tile has, and fewer for the rest. */
  private *blocks(tokens: number): Generator<{ start: number; count: number; rows: number }> {
    for (let start = 0; start < tokens; start += this.rows) {
      const count = Math.min(this.rows, tokens - start)
      yield { start, count, rows: Math.min(this.rows, Math.max(16, 2 ** Math.ceil(Math.log2(count)))) }
    }
  }

  private *tiles(): Generator<{ first: number; width: number }> {
    const { vocabulary } = this.config
    for (let first = 0; first < vocabulary; first += this.width)
      yield { first, width: Math.min(this.width, vocabulary - first) }
  }

  private tile({ head }: Ends, first: number, width: number): Tensor {
    const { hidden } = this.config
    return matrix(head.subarray(first * hidden, (first + width) * hidden), width, hidden)
  }

  /** What the head multiplies.
   *  @param x  hidden states before the final norm, [rows, hidden] */
  async norm(x: Float32Array, rows: number, { norm, rounds = false }: Ends): Promise<Float32Array> {
    const { config } = this
    const { hidden } = config
    const build = (g: Graph) => {
      const [states, weight] = [g.input('x', 'float32', [rows, hidden]), g.input('norm', 'float32', [hidden])]
      g.output('normed', finalNorm(g, config, states, weight))
    }
    const weight: Tensor = { dtype: 'float32', dims: [hidden], data: norm }
    const out = await this.run(`norm ${rows}`, build, { x: matrix(x, rows, hidden), norm: weight })
    const normed = out.normed!.data as Float32Array
    return rounds ? roundActivations(normed, hidden) : normed
  }

  private logits(g: Graph, x: string, head: string, rows: number, width: number): { logits: Value; head: Value } {
    const { hidden } = this.config
    const weights = g.input(head, 'float32', [width, hidden])
    return { logits: logitsOf(g, this.config, g.input(x, 'float32', [rows, hidden]), weights), head: weights }
  }

  private sums(g: Graph, rows: number, width: number, wantExpected: boolean): void {
    const { logits, head } = this.logits(g, 'x', 'head', rows, width)
    const max = g.max(logits, [1], true)
    const powers = g.exp(g.sub(logits, max))
    g.output('max', max)
    g.output('sum', g.sum(powers, [1]))
    g.output('best', g.argmax(logits, 1))
    if (wantExpected) g.output('expected', g.gemm(powers, head))
  }

  private cross(g: Graph, rows: number, width: number): void {
    const p = this.logits(g, 'p', 'pHead', rows, width).logits
    const q = this.logits(g, 'q', 'qHead', rows, width).logits
    const probabilities = g.exp(g.sub(p, g.input('logSum', 'float32', [rows, 1])))
    g.output('sum', g.sum(g.mul(probabilities, g.sub(p, q)), [1]))
  }

  private async run(
    key: string,
    build: (g: Graph) => void,
    inputs: Readonly<Record<string, Tensor>>,
  ): ReturnType<Session['run']> {
    let session = this.sessions.get(key)
    if (!session) {
      const g = new Graph()
      build(g)
      this.sessions.set(key, (session = Session.create(g, { threads: this.threads })))
    }
    return (await session).run(inputs)
  }
}

/** The sum of products of two rows, in float64. */
function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!
  return sum
}
