import { slotNorm, type Model } from '../model/index.js'
import { Graph, Session } from '../tensor/index.js'

/** Computes the contribution of each FFN channel of the parent, one layer at a time.
 *  @source Bercovich et al., "Puzzle", arXiv 2411.19146, appendix A */
export class Contributions {
  private sums: Float64Array | undefined
  private tokens = 0

  private readonly sessions = new Map<number, Promise<Session>>()

  constructor(
    private readonly model: Model,
    private readonly rows: number,
    private readonly threads: number,
  ) {}

  /** Number of channels of a layer's FFN; undefined if it has none. */
  private width(layer: number): number | undefined {
    const { block, params } = this.model.config.blocks[layer]!.ffn
    return block === 'swiglu' ? (params.width as number) : undefined
  }

  private session(width: number): Promise<Session> {
    let session = this.sessions.get(width)
    if (!session) this.sessions.set(width, (session = this.build(width)))
    return session
  }

  private build(width: number): Promise<Session> {
    const { config } = this.model
    const { hidden, mlpBias } = config
    const g = new Graph()
    const x = g.input('x', 'float32', [this.rows, hidden])
    const mask = g.input('mask', 'float32', [this.rows])
    const n = slotNorm(g, x, g.input('norm', 'float32', [hidden]), config)
    const linear = (name: string) => {
      const y = g.gemm(n, g.input(name, 'float32', [hidden, width]))
      return mlpBias ? g.add(y, g.input(`${name}.bias`, 'float32', [width])) : y
    }
    const gate = linear('gate')
    const activation = g.mul(config.activation === 'silu' ? g.silu(gate) : g.geluTanh(gate), linear('up'))
    g.output('sum', g.sum(g.mul(g.abs(activation), g.unsqueeze(mask, 1)), [0]))
    return Session.create(g, { threads: this.threads })
  }

  /** Adds rows to the sums of a layer.
   *  @param x     input of the FFN's norm, [rows, hidden]
   *  @param mask  1 for tokens that count, 0 for others, [rows] */
  async add(layer: number, x: Float32Array, mask: Float32Array): Promise<void> {
    const width = this.width(layer)
    if (width === undefined) return
    const weights = await this.model.weights(layer, 'ffn')
    const names = ['norm', 'gate', 'up', 'gate.bias', 'up.bias'].filter((name) => weights[name])
    const feeds = names.map((name) => [
      name,
      { dtype: 'float32' as const, dims: weights[name]!.shape, data: weights[name]!.data },
    ])
    const session = await this.session(width)
    const out = await session.run({
      ...(Object.fromEntries(feeds) as Record<string, never>),
      x: { dtype: 'float32', dims: [this.rows, this.model.config.hidden], data: x },
      mask: { dtype: 'float32', dims: [this.rows], data: mask },
    })
    const sum = out.sum!.data as Float32Array
    this.sums ??= new Float64Array(sum.length)
    sum.forEach((value, i) => (this.sums![i]! += value))
    this.tokens += mask.reduce((a, b) => a + b, 0)
  }

  /** Returns the mean |activation| times the norm of the channel's row of W_down, [intermediate], and resets the sums. */
  async result(layer: number): Promise<Float32Array> {
    if (!this.sums) return new Float32Array(0)
    const { data, shape } = (await this.model.weights(layer, 'ffn')).down!
    const columns = shape[1]!
    const out = Float32Array.from(this.sums, (sum, i) => {
      const row = data.subarray(i * columns, (i + 1) * columns)
      return (sum / this.tokens) * Math.sqrt(row.reduce((n, w) => n + w * w, 0))
    })
    this.sums = undefined
    this.tokens = 0
    return out
  }

  /** Frees the sessions. */
  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
  }
}
