/** An exchange: an option in place of the chosen one of its layer. */
export interface Exchange {
  readonly option: number
  /** What it adds to the score per violation that it removes. */
  readonly price: number
}

/**
 * Finds exchanges that remove violation of limits at the least price. What an exchange removes at most is known from what the
 * two options use, so few exchanges have to be looked at closely.
 */
export class Exchanges {
  private readonly chosen: Int32Array
  private readonly excess: Float64Array
  private violation = 0
  /** The most violation that each option can remove in place of the chosen one, a little more for rounding, [options]. */
  private readonly removable: Float64Array
  /** No exchange of a layer has a lower price, [layers]. */
  private readonly least: Float64Array
  /** The best exchange found so far. */
  private option = -1
  private price = Infinity

  /**
   * @param uses  what each option uses of each limit, [limits][options]
   * @param bounds  the most that a selection may use of each limit, [limits]
   * @param units  in which the violation of each limit is measured, [limits]
   */
  constructor(
    private readonly offsets: Int32Array,
    private readonly scores: Float64Array,
    private readonly uses: readonly Float64Array[],
    private readonly bounds: Float64Array,
    private readonly units: Float64Array,
  ) {
    this.chosen = new Int32Array(offsets.length - 1).fill(-1)
    this.excess = new Float64Array(uses.length)
    this.removable = new Float64Array(scores.length)
    this.least = new Float64Array(offsets.length - 1)
  }

  /**
   * Measures what has changed.
   *
   * @param use  what the selection uses of each limit
   * @returns whether a limit is violated
   */
  update(selection: Int32Array, use: Float64Array): boolean {
    const { bounds, excess, units } = this
    let others = false
    let violated = false
    this.violation = 0
    for (let r = 0; r < excess.length; r++) {
      const over = Math.max(0, use[r]! - bounds[r]!)
      if (over > 0 !== excess[r]! > 0) others = true
      if (over > 0) violated = true
      excess[r] = over
      this.violation += over / units[r]!
    }
    for (let i = 0; violated && i < selection.length; i++)
      if (others || this.chosen[i] !== selection[i]) {
        this.chosen[i] = selection[i]!
        this.measure(i)
      }
    // A selection that meets every limit is not measured; the next one that does not has to be, wholly.
    if (!violated) this.chosen.fill(-1)
    return violated
  }

  /**
   * The cheapest exchange, the first one of equals. Undefined if none removes violation.
   *
   * @param use  as in `update`, after which this is called
   * @param floor  prices are computed as if no exchange added less to the score
   * @param admits  whether an option may be chosen
   */
  cheapest(use: Float64Array, floor: number, admits?: (option: number) => boolean): Exchange | undefined {
    const { least } = this
    this.option = -1
    this.price = Infinity
    // The exchanges of the layer that promises most rule out most others.
    let first = 0
    for (let i = 1; i < least.length; i++) if (least[i]! < least[first]!) first = i
    this.consider(first, use, floor, admits)
    for (let i = 0; i < least.length; i++)
      if (i !== first && least[i]! <= this.price) this.consider(i, use, floor, admits)
    return this.option < 0 ? undefined : { option: this.option, price: this.price }
  }

  private consider(layer: number, use: Float64Array, floor: number, admits?: (option: number) => boolean): void {
    const { offsets, scores, uses, bounds, excess, units } = this
    const from = this.chosen[layer]!
    for (let k = offsets[layer]!; k < offsets[layer + 1]!; k++) {
      const most = Math.min(this.violation, this.removable[k]!)
      const added = Math.max(floor, scores[k]! - scores[from]!)
      if (most === 0 || k === from || (added > 0 && added > this.price * most)) continue
      let removed = 0
      for (let r = 0; r < uses.length; r++) {
        const own = uses[r]!
        const over = use[r]! + (own[k]! - own[from]!) - bounds[r]!
        removed += (excess[r]! - (over > 0 ? over : 0)) / units[r]!
      }
      const price = added / removed
      if (!(removed > 1e-12) || price > this.price || (price === this.price && k > this.option)) continue
      if (admits && !admits(k)) continue
      this.option = k
      this.price = price
    }
  }

  private measure(layer: number): void {
    const { offsets, scores, uses, excess, units } = this
    const from = this.chosen[layer]!
    let least = Infinity
    for (let k = offsets[layer]!; k < offsets[layer + 1]!; k++) {
      let sum = 0
      let magnitude = 0
      for (let r = 0; r < uses.length; r++) {
        if (excess[r] === 0) continue
        const less = (uses[r]![from]! - uses[r]![k]!) / units[r]!
        sum += less
        magnitude += Math.abs(less)
      }
      const removable = Math.max(0, sum + 1e-9 * magnitude + 1e-12)
      this.removable[k] = removable
      if (k === from || removable === 0) continue
      const added = scores[k]! - scores[from]!
      least = Math.min(least, added < 0 ? -Infinity : added / removable)
    }
    this.least[layer] = least
  }
}
