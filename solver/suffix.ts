import { largestMultiplier, type Dense } from './dense.js'

/** Steps that improve a set of multipliers. */
const steps = 15

/** A bound on what the layers left over add: objective + constant + Σ multipliers · use of a label. */
export interface SuffixBound {
  readonly multipliers: Float64Array
  readonly constant: number
}

/** What a label leaves for the layers left over. */
export interface Room {
  /** By row. */
  readonly room: Float64Array
  /** How much they have to add for the label to be of no interest. */
  readonly need: number
}

/** Lagrangian bounds of the layers from a position in an order to its end. */
export class Suffix {
  /** The least that the layers from each position use, [rows][positions + 1]. */
  readonly least: readonly Float64Array[]

  constructor(
    private readonly dense: Dense,
    private readonly order: readonly number[],
  ) {
    this.least = dense.use.map((use) => {
      const sums = new Float64Array(order.length + 1)
      for (let t = order.length - 1; t >= 0; t--) {
        const own = use.subarray(dense.offsets[order[t]!], dense.offsets[order[t]! + 1])
        sums[t] = sums[t + 1]! + own.reduce((a, b) => Math.min(a, b), Infinity)
      }
      return sums
    })
  }

  /** Bounds from given multipliers, and from those improved for each room. */
  bounds(from: number, multipliers: Float64Array, rooms: readonly Room[]): SuffixBound[] {
    const gradient = new Float64Array(multipliers.length)
    const first = { multipliers, value: this.relaxed(from, multipliers, gradient) }
    return [first, ...rooms.map((room) => this.improve(from, multipliers, room))].map(({ multipliers: own, value }) => ({
      multipliers: own,
      constant: own.reduce((sum, multiplier, r) => sum - multiplier * this.dense.upper[r]!, value),
    }))
  }

  /** Subgradient steps towards the multipliers with which a label is bounded best. */
  private improve(from: number, start: Float64Array, { room, need }: Room) {
    const at = start.slice()
    const gradient = new Float64Array(at.length)
    let best = { multipliers: start, value: 0, bound: -Infinity }
    const ceiling = largestMultiplier * this.dense.magnitude
    let length = 1
    for (let step = 0; step < steps; step++) {
      const value = this.relaxed(from, at, gradient)
      const bound = at.reduce((sum, multiplier, r) => sum - multiplier * room[r]!, value)
      if (bound > best.bound) best = { multipliers: at.slice(), value, bound }
      else length *= 0.6
      if (bound >= need) break
      let norm = 0
      for (let r = 0; r < at.length; r++) {
        gradient[r]! -= room[r]!
        if (at[r] === 0 && gradient[r]! < 0) gradient[r] = 0
        norm += gradient[r]! ** 2
      }
      if (norm < 1e-12) break
      const factor = (length * (need - bound)) / norm
      for (let r = 0; r < at.length; r++) at[r] = Math.min(ceiling, Math.max(0, at[r]! + factor * gradient[r]!))
    }
    return best
  }

  /** The least of objective + Σ multipliers · use over the layers left over; writes what it uses to `used`. */
  private relaxed(from: number, multipliers: Float64Array, used: Float64Array): number {
    const { offsets, objective, use } = this.dense
    let sum = 0
    used.fill(0)
    for (let t = from; t < this.order.length; t++) {
      const layer = this.order[t]!
      let least = Infinity
      let chosen = 0
      for (let c = offsets[layer]!; c < offsets[layer + 1]!; c++) {
        let reduced = objective[c]!
        for (let r = 0; r < use.length; r++) reduced += multipliers[r]! * use[r]![c]!
        if (reduced >= least) continue
        least = reduced
        chosen = c
      }
      sum += least
      for (let r = 0; r < use.length; r++) used[r]! += use[r]![chosen]!
    }
    return sum
  }
}
