import type { Dense } from './dense.js'
import { Exchanges } from './exchanges.js'

/** A selection that satisfies every row: a column per layer. */
export interface Repaired {
  readonly chosen: Int32Array
  readonly objective: number
}

/**
 * Makes a selection satisfy every row by the exchanges that cost least per violation removed, then improves it by the single
 * exchanges that gain most. Undefined if no exchange helps while a row is still violated.
 */
export function repair(dense: Dense, start: Int32Array): Repaired | undefined {
  const { layers, offsets, objective, use, upper } = dense
  const rows = upper.length
  const chosen = start.slice()
  const used = new Float64Array(rows)
  for (let r = 0; r < rows; r++) for (let i = 0; i < layers; i++) used[r]! += use[r]![chosen[i]!]!
  const exchanges = new Exchanges(offsets, objective, use, upper, new Float64Array(rows).fill(1))
  // Every exchange removes violation or, once there is none, lowers the objective.
  for (let step = 0; step < 10 * layers; step++) {
    const isViolated = exchanges.update(chosen, used)
    const column = isViolated ? exchanges.cheapest(used, 1e-12)?.option : bestGain(dense, chosen, used)
    if (column === undefined && isViolated) return undefined
    if (column === undefined) break
    const layer = layerOf(offsets, column)
    for (let r = 0; r < rows; r++) used[r] = used[r]! + use[r]![column]! - use[r]![chosen[layer]!]!
    chosen[layer] = column
  }
  if (exchanges.update(chosen, used)) return undefined
  let sum = 0
  for (const c of chosen) sum += objective[c]!
  return { chosen, objective: sum }
}

/** The column that lowers the objective most in place of its layer's chosen one without violating a row. */
function bestGain({ layers, offsets, objective, use, upper }: Dense, chosen: Int32Array, used: Float64Array) {
  let lowest = 0
  let best: number | undefined
  for (let i = 0; i < layers; i++) {
    const from = chosen[i]!
    column: for (let c = offsets[i]!; c < offsets[i + 1]!; c++) {
      const added = objective[c]! - objective[from]!
      if (added >= lowest) continue
      for (let r = 0; r < use.length; r++) if (used[r]! + use[r]![c]! - use[r]![from]! > upper[r]!) continue column
      lowest = added
      best = c
    }
  }
  return best
}

/** The layer of a column. */
function layerOf(offsets: Int32Array, column: number): number {
  let layer = 0
  while (offsets[layer + 1]! <= column) layer++
  return layer
}
