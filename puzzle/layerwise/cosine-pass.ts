import { gradients, Graph, Session } from '../../tensor/index.js'
import { matrix, padded } from '../../tensor/rows.js'
import { cosineDistance } from '../gkd-loss.js'

/** The distance of the child's hidden states after a layer from the parent's, for some tokens at a time. */
export class CosinePass {
  private constructor(
    private readonly session: Session,
    private readonly rows: number,
    private readonly hidden: number,
  ) {}

  /** @param rows  tokens at a time */
  static async create(rows: number, hidden: number, threads: number): Promise<CosinePass> {
    const g = new Graph()
    const [target, states] = ['target', 'states'].map((name) => g.input(name, 'float32', [rows, hidden]))
    const distance = cosineDistance(g, g.stopGradient(target!), states!, g.input('weights', 'float32', [rows]))
    g.output('distance', distance)
    g.output('gradient', gradients(distance, [states!])[0]!)
    return new CosinePass(await Session.create(g, { threads, keepsMemory: false }), rows, hidden)
  }

  /**
   * @param target   the parent's, [tokens, hidden]
   * @param states   the child's
   * @param weights  what each token counts, [tokens]
   * @returns the sum of 1 - cos, and its gradient by the child's states
   */
  async run(
    target: Float32Array,
    states: Float32Array,
    weights: Float32Array,
  ): Promise<{ distance: number; gradient: Float32Array }> {
    const { rows, hidden } = this
    const gradient = new Float32Array(states.length)
    let distance = 0
    for (let start = 0; start < weights.length; start += rows) {
      const from = start * hidden
      // The cosine of rows that are filled up with zeros is 0, and counts for nothing.
      const results = await this.session.run({
        target: matrix(padded(target, start, rows, hidden), rows, hidden),
        states: matrix(padded(states, start, rows, hidden), rows, hidden),
        weights: { dtype: 'float32', dims: [rows], data: padded(weights, start, rows, 1) },
      })
      distance += (results.distance!.data as Float32Array)[0]!
      gradient.set((results.gradient!.data as Float32Array).subarray(0, gradient.length - from), from)
    }
    return { distance, gradient }
  }

  /** Frees native memory. */
  async release(): Promise<void> {
    await this.session.release()
  }
}
