/**
 * Lower bounds on what exchanging the chosen option of a layer costs per violation removed. They rule out nearly all exchanges,
 * so that few have to be looked at closely. A bound only falls short of the true price where the exchange removes more of a
 * violation than there is, or violates a limit that was met.
 */
export class ExchangeBounds {
  /** The most violation that each option can remove in place of the chosen one, a little more for rounding, [options]. */
  readonly removable: Float64Array
  /** The least score that exchanges of each layer can cost per violation removed, [layers]. */
  readonly cheapest: Float64Array
  private readonly chosen: Int32Array
  private readonly violated: Uint8Array

  /**
   * @param uses  what each option uses of each limit, [limits][options]
   * @param units  in which the violation of each limit is measured, [limits]
   */
  constructor(
    private readonly offsets: Int32Array,
    private readonly scores: Float64Array,
    private readonly uses: readonly Float64Array[],
    private readonly units: Float64Array,
  ) {
    const layers = offsets.length - 1
    this.removable = new Float64Array(scores.length)
    this.cheapest = new Float64Array(layers)
    this.chosen = new Int32Array(layers).fill(-1)
    this.violated = new Uint8Array(uses.length)
  }

  /**
   * Measures anew what has changed.
   *
   * @param excess  by how much each limit is exceeded; ≤ 0 if it is met
   */
  update(selection: Int32Array, excess: Float64Array): void {
    let other = false
    for (let r = 0; r < excess.length; r++) {
      const violated = excess[r]! > 0 ? 1 : 0
      if (this.violated[r] !== violated) other = true
      this.violated[r] = violated
    }
    for (let i = 0; i < selection.length; i++)
      if (other || this.chosen[i] !== selection[i]) {
        this.chosen[i] = selection[i]!
        this.measure(i)
      }
  }

  /** The layer that promises most; its exchanges, looked at first, rule out most others. */
  first(): number {
    let first = 0
    for (let i = 1; i < this.cheapest.length; i++) if (this.cheapest[i]! < this.cheapest[first]!) first = i
    return first
  }

  private measure(layer: number): void {
    const { offsets, scores, uses, units } = this
    const from = this.chosen[layer]!
    let cheapest = Infinity
    for (let k = offsets[layer]!; k < offsets[layer + 1]!; k++) {
      let sum = 0
      let magnitude = 0
      for (let r = 0; r < uses.length; r++) {
        if (!this.violated[r]) continue
        const less = (uses[r]![from]! - uses[r]![k]!) / units[r]!
        sum += less
        magnitude += Math.abs(less)
      }
      const removable = Math.max(0, sum + 1e-9 * magnitude + 1e-12)
      this.removable[k] = removable
      if (k === from || removable === 0) continue
      const added = scores[k]! - scores[from]!
      cheapest = Math.min(cheapest, added < 0 ? -Infinity : added / removable)
    }
    this.cheapest[layer] = cheapest
  }
}
