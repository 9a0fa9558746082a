import { gradients, Graph, Session } from '../../tensor/index.js'
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
      const [from, to] = [start * hidden, (start + rows) * hidden]
      const results = await this.session.run({
        target: { dtype: 'float32', dims: [rows, hidden], data: filled(target.subarray(from, to), rows * hidden) },
        states: { dtype: 'float32', dims: [rows, hidden], data: filled(states.subarray(from, to), rows * hidden) },
        weights: { dtype: 'float32', dims: [rows], data: filled(weights.subarray(start, start + rows), rows) },
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

/** Rows filled up with zeros: their cosine is 0, and counts for nothing. */
function filled(data: Float32Array, size: number): Float32Array {
  if (data.length === size) return data
  const full = new Float32Array(size)
  full.set(data)
  return full
}
