import type { Dense } from './dense.js'
import { ExchangeBounds } from './exchange-bounds.js'

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
  const excess = new Float64Array(rows)
  const exchanges = new ExchangeBounds(offsets, objective, use, new Float64Array(rows).fill(1))
  const violation = (from: number, to: number) => {
    let sum = 0
    for (let r = 0; r < rows; r++) {
      const own = use[r]!
      const over = used[r]! + own[to]! - own[from]! - upper[r]!
      if (over > 0) sum += over
    }
    return sum
  }
  // Every exchange removes violation or, once there is none, lowers the objective.
  for (let step = 0; step < 10 * layers; step++) {
    const before = violation(0, 0)
    if (before > 0) {
      for (let r = 0; r < rows; r++) excess[r] = used[r]! - upper[r]!
      exchanges.update(chosen, excess)
    }
    let lowest = before > 0 ? Infinity : 0
    let layer = -1
    let column = -1
    // The layer that promises most comes first, and once more in its turn.
    for (let turn = before > 0 ? -1 : 0; turn < layers; turn++) {
      const i = turn < 0 ? exchanges.first() : turn
      if (before > 0 && exchanges.cheapest[i]! > lowest) continue
      const from = chosen[i]!
      for (let c = offsets[i]!; c < offsets[i + 1]!; c++) {
        let price = objective[c]! - objective[from]!
        if (before > 0) {
          const most = Math.min(before, exchanges.removable[c]!)
          if (most === 0 || Math.max(1e-12, price) > lowest * most) continue
          const removed = before - violation(from, c)
          if (removed <= 1e-13) continue
          price = Math.max(1e-12, price) / removed
        } else if (price >= lowest || violation(from, c) > 0) continue
        // Of equal prices, that of the first column.
        if (price > lowest || (price === lowest && c >= column)) continue
        lowest = price
        layer = i
        column = c
      }
    }
    if (layer < 0) break
    for (let r = 0; r < rows; r++) used[r] = used[r]! + use[r]![column]! - use[r]![chosen[layer]!]!
    chosen[layer] = column
  }
  if (violation(0, 0) > 0) return undefined
  let sum = 0
  for (const c of chosen) sum += objective[c]!
  return { chosen, objective: sum }
}
