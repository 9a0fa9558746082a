import { largestMultiplier, type Dense } from './dense.js'

/** Steps that improve a set of multipliers. */
const steps = 15

/** Bounds on what the layers left over add: objective + constant + Σ multipliers · use of a label. */
export interface SuffixBounds {
  readonly constants: readonly number[]
  /** A set after the other, [sets x rows]. */
  readonly multipliers: Float64Array
}

/** What a label leaves for the layers left over. */
export interface Room {
  /** By row. */
  readonly room: Float64Array
  /** How much they have to add for the label to be of no interest. */
  readonly need: number
}

interface Multipliers {
  readonly multipliers: Float64Array
  /** The least of objective + Σ multipliers · use over the layers left over. */
  readonly value: number
}

/** Lagrangian bounds of the layers from a position in an order to its end. */
export class Suffix {
  /** The least that the layers from each position use, [rows][positions + 1]. */
  readonly least: readonly Float64Array[]
  /** Columns in the order of the layers: where each layer's begin, their objective, and what they use, a column after the other. */
  private readonly begins: Int32Array
  private readonly objective: Float64Array
  private readonly use: Float64Array
  private readonly used: Float64Array

  constructor(
    private readonly dense: Dense,
    order: readonly number[],
  ) {
    const rows = dense.upper.length
    const columns = order.flatMap((layer) =>
      Array.from({ length: dense.offsets[layer + 1]! - dense.offsets[layer]! }, (_, n) => dense.offsets[layer]! + n),
    )
    this.begins = new Int32Array(order.length + 1)
    for (const [t, layer] of order.entries())
      this.begins[t + 1] = this.begins[t]! + dense.offsets[layer + 1]! - dense.offsets[layer]!
    this.objective = Float64Array.from(columns, (c) => dense.objective[c]!)
    this.use = new Float64Array(columns.length * rows)
    for (const [n, c] of columns.entries()) for (let r = 0; r < rows; r++) this.use[n * rows + r] = dense.use[r]![c]!
    this.used = new Float64Array(rows)
    this.least = dense.use.map((_, r) => {
      const sums = new Float64Array(order.length + 1)
      for (let t = order.length - 1; t >= 0; t--) {
        let least = Infinity
        for (let n = this.begins[t]!; n < this.begins[t + 1]!; n++) least = Math.min(least, this.use[n * rows + r]!)
        sums[t] = sums[t + 1]! + least
      }
      return sums
    })
  }

  /** Bounds from given multipliers, and from those improved for each room. */
  bounds(from: number, multipliers: Float64Array, rooms: readonly Room[]): SuffixBounds {
    const rows = multipliers.length
    const sets = [
      { multipliers, value: this.relaxed(from, multipliers) },
      ...rooms.map((room) => this.improve(from, multipliers, room)),
    ]
    const flat = new Float64Array(sets.length * rows)
    for (const [q, set] of sets.entries()) flat.set(set.multipliers, q * rows)
    return { constants: sets.map((set) => set.value - dot(set.multipliers, this.dense.upper)), multipliers: flat }
  }

  /** Subgradient steps towards the multipliers with which a label is bounded best. */
  private improve(from: number, start: Float64Array, { room, need }: Room): Multipliers {
    const { used } = this
    const ceiling = largestMultiplier * this.dense.magnitude
    const at = start.slice()
    let best: Multipliers = { multipliers: start, value: 0 }
    let highest = -Infinity
    let length = 1
    for (let step = 0; step < steps; step++) {
      const value = this.relaxed(from, at)
      const bound = value - dot(at, room)
      if (bound > highest) {
        highest = bound
        best = { multipliers: at.slice(), value }
      } else length *= 0.6
      if (bound >= need) break
      let norm = 0
      for (let r = 0; r < at.length; r++) {
        let excess = used[r]! - room[r]!
        if (at[r] === 0 && excess < 0) excess = 0
        used[r] = excess
        norm += excess * excess
      }
      if (norm < 1e-12) break
      const factor = (length * (need - bound)) / norm
      for (let r = 0; r < at.length; r++) at[r] = Math.min(ceiling, Math.max(0, at[r]! + factor * used[r]!))
    }
    return best
  }

  /** The least of objective + Σ multipliers · use over the layers left over; leaves what it uses in `used`. */
  private relaxed(from: number, multipliers: Float64Array): number {
    const { begins, objective, use, used } = this
    const rows = used.length
    let sum = 0
    used.fill(0)
    for (let t = from; t + 1 < begins.length; t++) {
      let least = Infinity
      let chosen = 0
      for (let n = begins[t]!; n < begins[t + 1]!; n++) {
        let reduced = objective[n]!
        for (let r = 0; r < rows; r++) reduced += multipliers[r]! * use[n * rows + r]!
        if (reduced >= least) continue
        least = reduced
        chosen = n
      }
      sum += least
      for (let r = 0; r < rows; r++) used[r] = used[r]! + use[chosen * rows + r]!
    }
    return sum
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let r = 0; r < a.length; r++) sum += a[r]! * b[r]!
  return sum
}
