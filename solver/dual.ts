import { largestMultiplier, type Dense } from './dense.js'
import { repair, type Repaired } from './repair.js'

/** Steps of the ascent, at most. */
const steps = 300
/** Steps without progress after which the step length is halved. */
const patience = 8

/** What the ascent found. */
export interface Dual {
  /** Multipliers of the rows, ≥ 0. */
  readonly multipliers: Float64Array
  /** No selection that satisfies the rows has a lower objective. Above `dense.most` if there is none. */
  readonly bound: number
  /** The best selection that repairs of the relaxed ones gave. */
  readonly best?: Repaired
}

/**
 * Maximises the Lagrangian bound by subgradient steps in Polyak's length. Needs no linear program: a step looks at every column
 * once, and few steps suffice for few rows.
 *
 * @source Held, Wolfe and Crowder 1974, "Validation of subgradient optimization"
 */
export function ascend(dense: Dense): Dual {
  const rows = dense.upper.length
  const chosen = new Int32Array(dense.layers)
  const gradient = new Float64Array(rows)
  const reduced = new Float64Array(dense.objective.length)
  let best: Repaired | undefined
  const offer = () => {
    const repaired = repair(dense, chosen)
    if (repaired && (!best || repaired.objective < best.objective)) best = repaired
  }
  // A little more than any selection reaches: what proves infeasibility must be beyond it.
  const beyond = dense.most + 0.1 * dense.magnitude
  const ceiling = largestMultiplier * dense.magnitude
  let at = new Float64Array(rows)
  let multipliers = at
  let bound = relaxed(dense, at, chosen, reduced)
  offer()
  let length = 1.5
  let stalled = 0
  for (let step = 0; step < steps && length > 1e-4; step++) {
    const value = relaxed(dense, at, chosen, reduced)
    stalled = value > bound + 1e-7 * Math.abs(bound) ? 0 : stalled + 1
    if (value > bound) {
      bound = value
      multipliers = at.slice()
    }
    if (bound > beyond) break
    if (stalled >= patience) {
      length /= 2
      stalled = 0
      at = multipliers.slice()
      relaxed(dense, at, chosen, reduced)
    }
    if (step % 50 === 49) offer()
    const norm = slope(dense, at, chosen, gradient)
    if (norm < 1e-12) break
    const target = best ? best.objective : beyond + 0.1 * dense.magnitude
    const factor = (length * Math.max(target - value, 1e-9 * dense.magnitude)) / norm
    for (let r = 0; r < rows; r++) at[r] = Math.min(ceiling, Math.max(0, at[r]! + factor * gradient[r]!))
  }
  relaxed(dense, multipliers, chosen, reduced)
  offer()
  return { multipliers, bound, ...(best ? { best } : {}) }
}

/** The Lagrangian bound; writes each layer's best column to `chosen`. */
function relaxed(dense: Dense, multipliers: Float64Array, chosen: Int32Array, reduced: Float64Array): number {
  let value = reduce(dense, multipliers, reduced)
  for (let i = 0; i < dense.layers; i++) {
    let least = Infinity
    for (let c = dense.offsets[i]!; c < dense.offsets[i + 1]!; c++) {
      if (reduced[c]! >= least) continue
      least = reduced[c]!
      chosen[i] = c
    }
    value += least
  }
  return value
}

/** Writes each column's objective plus what it uses at the price of the multipliers; returns -Σ multipliers · upper. */
export function reduce({ objective, use, upper }: Dense, multipliers: Float64Array, reduced: Float64Array): number {
  let value = 0
  reduced.set(objective)
  for (let r = 0; r < upper.length; r++) {
    const multiplier = multipliers[r]!
    if (multiplier === 0) continue
    const own = use[r]!
    value -= multiplier * upper[r]!
    for (let c = 0; c < reduced.length; c++) reduced[c] = reduced[c]! + multiplier * own[c]!
  }
  return value
}

/** Writes the direction of ascent and returns its squared length. */
function slope(dense: Dense, multipliers: Float64Array, chosen: Int32Array, gradient: Float64Array): number {
  let norm = 0
  for (let r = 0; r < gradient.length; r++) {
    const use = dense.use[r]!
    let excess = -dense.upper[r]!
    for (let i = 0; i < chosen.length; i++) excess += use[chosen[i]!]!
    if (multipliers[r] === 0 && excess < 0) excess = 0
    gradient[r] = excess
    norm += excess * excess
  }
  return norm
}
