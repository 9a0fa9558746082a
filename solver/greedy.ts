import { total, type Instance, type Row, type Selection } from './instance.js'

/**
 * The paper's greedy: every limit is split equally over the layers; layers with the lowest mean score first, each takes
 * its best option within its share and hands on what it leaves. The result may break limits.
 *
 * @source Bercovich et al. 2024, "Puzzle" (arXiv 2411.19146), table 13
 */
export function budgetGreedy(instance: Instance): Selection {
  const order = Array.from({ length: instance.layers }, (_, i) => i)
  const mean = order.map((i) => {
    const scores = instance.scores.subarray(instance.offsets[i], instance.offsets[i + 1])
    return scores.reduce((a, b) => a + b, 0) / scores.length
  })
  order.sort((a, b) => mean[a]! - mean[b]! || a - b)
  const left = instance.rows.map(() => 0)
  const selection = new Int32Array(instance.layers)
  for (const i of order) {
    const budget = instance.rows.map((row, r) => left[r]! + row.max / instance.layers)
    const over = (k: number) =>
      instance.rows.reduce((worst, row, r) => Math.max(worst, (row.use[k]! - budget[r]!) / unit(row)), 0)
    let chosen = instance.offsets[i]!
    for (let k = chosen; k < instance.offsets[i + 1]!; k++) {
      const [a, b] = [over(k) <= 1e-9 ? 0 : over(k), over(chosen) <= 1e-9 ? 0 : over(chosen)]
      if (a < b || (a === b && instance.scores[k]! < instance.scores[chosen]!)) chosen = k
    }
    selection[i] = chosen
    for (const [r, row] of instance.rows.entries()) left[r] = budget[r]! - row.use[chosen]!
  }
  return selection
}

/**
 * From each layer's best option, repeatedly the swap that adds the least score per unit of violation it removes, until
 * every limit holds. Returns what it has when no swap removes any.
 */
export function marginalGreedy(instance: Instance): Selection {
  const selection = new Int32Array(instance.layers)
  for (let i = 0; i < instance.layers; i++) {
    let best = instance.offsets[i]!
    for (let k = best; k < instance.offsets[i + 1]!; k++) if (instance.scores[k]! < instance.scores[best]!) best = k
    selection[i] = best
  }
  const use = instance.rows.map((row) => total(row.use, selection))
  const units = instance.rows.map(unit)
  for (;;) {
    const excess = instance.rows.map((row, r) => Math.max(0, use[r]! - row.max - row.tolerance))
    if (excess.every((value) => value === 0)) return selection
    let swap: { layer: number; option: number; price: number } | undefined
    for (let i = 0; i < instance.layers; i++) {
      const from = selection[i]!
      for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) {
        let removed = 0
        for (let r = 0; r < use.length; r++) {
          const row = instance.rows[r]!
          const after = Math.max(0, use[r]! + row.use[k]! - row.use[from]! - row.max - row.tolerance)
          removed += (excess[r]! - after) / units[r]!
        }
        if (removed <= 1e-12) continue
        const price = (instance.scores[k]! - instance.scores[from]!) / removed
        if (!swap || price < swap.price) swap = { layer: i, option: k, price }
      }
    }
    if (!swap) return selection
    const from = selection[swap.layer]!
    selection[swap.layer] = swap.option
    // Summed anew: differences would drift away from what the limit is checked with.
    for (const [r, row] of instance.rows.entries())
      if (row.use[from] !== row.use[swap.option]) use[r] = total(row.use, selection)
  }
}

/** What one unit of a limit's violation is measured in, so that bytes and seconds compare. */
export function unit(row: Row): number {
  return Math.abs(row.max) || row.use.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1
}
