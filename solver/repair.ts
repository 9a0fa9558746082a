import type { Dense } from './dense.js'

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
  const { layers, objective, use, upper } = dense
  const rows = upper.length
  const chosen = start.slice()
  const used = new Float64Array(rows)
  for (let r = 0; r < rows; r++) for (let i = 0; i < layers; i++) used[r]! += use[r]![chosen[i]!]!
  const exchange = (layer: number, column: number) => {
    for (let r = 0; r < rows; r++) used[r]! += use[r]![column]! - use[r]![chosen[layer]!]!
    chosen[layer] = column
  }
  const violation = (from: number, to: number) => {
    let sum = 0
    for (let r = 0; r < rows; r++) {
      const over = used[r]! + use[r]![to]! - use[r]![from]! - upper[r]!
      if (over > 0) sum += over
    }
    return sum
  }
  for (let step = 0; ; step++) {
    const before = violation(0, 0)
    if (before === 0) break
    if (step === 5 * layers) return undefined
    const found = least(dense, chosen, (from, to) => {
      const removed = before - violation(from, to)
      return removed > 1e-13 ? Math.max(1e-12, objective[to]! - objective[from]!) / removed : Infinity
    })
    if (!found) return undefined
    exchange(found.layer, found.column)
  }
  for (;;) {
    const found = least(dense, chosen, (from, to) => {
      const change = objective[to]! - objective[from]!
      return change < 0 && violation(from, to) === 0 ? change : Infinity
    })
    if (!found) break
    exchange(found.layer, found.column)
  }
  let sum = 0
  for (const c of chosen) sum += objective[c]!
  return { chosen, objective: sum }
}

/** The exchange with the lowest price, the first one in a tie. Undefined if all are infinite. */
function least({ layers, offsets }: Dense, chosen: Int32Array, price: (from: number, to: number) => number) {
  let lowest = Infinity
  let found: { layer: number; column: number } | undefined
  for (let layer = 0; layer < layers; layer++) {
    const from = chosen[layer]!
    for (let column = offsets[layer]!; column < offsets[layer + 1]!; column++) {
      if (column === from) continue
      const own = price(from, column)
      if (own >= lowest) continue
      lowest = own
      found = { layer, column }
    }
  }
  return found
}
