import { total, type Instance, type Row, type Selection } from './instance.js'
import { ExchangeBounds } from './exchange-bounds.js'
import { closure } from './links.js'
import { isAlone, leastSelection, place } from './place.js'

/**
 * The paper's greedy method. Every limit is split equally among the layers. In ascending order of their mean scores, the layers
 * take the best option within their share and pass on what is left of it. An option that needs others takes their layers
 * and shares as well. The result may exceed limits; it is undefined if all options of a layer need an option that lost.
 *
 * @source Bercovich et al. 2024, "Puzzle" (arXiv 2411.19146), table 13
 */
export function budgetGreedy(instance: Instance): Selection | undefined {
  const order = Array.from({ length: instance.layers }, (_, i) => i)
  const mean = order.map((i) => {
    const scores = instance.scores.subarray(instance.offsets[i], instance.offsets[i + 1])
    return scores.reduce((a, b) => a + b, 0) / scores.length
  })
  order.sort((a, b) => mean[a]! - mean[b]! || a - b)
  const { rows } = instance
  const left = rows.map(() => 0)
  const units = rows.map(unit)
  const selection = new Int32Array(instance.layers).fill(-1)
  for (const i of order) {
    if (selection[i] !== -1) continue
    let chosen: { options: readonly number[]; over: number; score: number } | undefined
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) {
      const options = instance.links.needs.has(k) ? undecided(instance, selection, k) : [k]
      if (!options) continue
      let violation = 0
      for (let r = 0; r < rows.length; r++) {
        const budget = left[r]! + (options.length * rows[r]!.max) / instance.layers
        violation = Math.max(violation, (sum(rows[r]!.use, options) - budget) / units[r]!)
      }
      const over = violation <= 1e-9 ? 0 : violation
      const score = sum(instance.scores, options) / options.length
      if (!chosen || over < chosen.over || (over === chosen.over && score < chosen.score))
        chosen = { options, over, score }
    }
    if (!chosen) return undefined
    for (const k of chosen.options) selection[instance.layerOf[k]!] = k
    for (const [r, row] of instance.rows.entries())
      left[r]! += (chosen.options.length * row.max) / instance.layers - sum(row.use, chosen.options)
  }
  return selection
}

/** An option together with those it needs that are not chosen yet. Undefined if it contradicts the selection. */
export function undecided(instance: Instance, selection: Selection, option: number): readonly number[] | undefined {
  const needed = closure(instance.links, instance.layerOf, option)
  if (!needed) return undefined
  const open: number[] = []
  for (const [layer, k] of needed) {
    if (selection[layer] === -1) open.push(k)
    else if (selection[layer] !== k) return undefined
  }
  return open
}

/**
 * Starts from the best option of each layer and repeatedly makes the swap that adds the least score per unit of violation
 * removed, until every limit is met. Returns the current selection if no swap helps, and undefined if there is no start.
 */
export function marginalGreedy(instance: Instance): Selection | undefined {
  let selection = leastSelection(instance)
  if (!selection) return undefined
  const use = Float64Array.from(instance.rows, (row) => total(row.use, selection!))
  const { rows, scores } = instance
  const uses = rows.map((row) => row.use)
  const bounds = Float64Array.from(rows, (row) => row.max + row.tolerance)
  const units = Float64Array.from(rows, unit)
  const linked = instance.links.pairs.length > 0
  const exchanges = new ExchangeBounds(instance.offsets, scores, uses, units)
  const excess = new Float64Array(uses.length)
  for (;;) {
    let violation = 0
    let met = true
    for (let r = 0; r < uses.length; r++) {
      excess[r] = Math.max(0, use[r]! - bounds[r]!)
      violation += excess[r]! / units[r]!
      if (excess[r]! > 0) met = false
    }
    if (met) return selection
    exchanges.update(selection, excess)
    let lowest = Infinity
    let option = -1
    let together: Selection | undefined
    // The layer that promises most comes first, and once more in its turn.
    for (let turn = -1; turn < instance.layers; turn++) {
      const i = turn < 0 ? exchanges.first() : turn
      if (!linked && exchanges.cheapest[i]! > lowest) continue
      const from = selection[i]!
      for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) {
        if (from === k) continue
        let whole: Selection | undefined
        let most = violation
        if (!linked || isAlone(instance, from, k)) most = Math.min(most, exchanges.removable[k]!)
        else {
          whole = place(instance, selection, k)
          if (!whole) continue
        }
        const added = whole ? total(scores, whole) - total(scores, selection) : scores[k]! - scores[from]!
        if (most === 0 || (added > 0 && added > lowest * most)) continue
        let removed = 0
        for (let r = 0; r < uses.length; r++) {
          const own = uses[r]!
          const over = (whole ? total(own, whole) : use[r]! + (own[k]! - own[from]!)) - bounds[r]!
          removed += (excess[r]! - (over > 0 ? over : 0)) / units[r]!
        }
        if (!(removed > 1e-12)) continue
        const price = added / removed
        // Of equal prices, that of the first option.
        if (price > lowest || (price === lowest && k >= option)) continue
        lowest = price
        option = k
        together = whole
      }
    }
    if (option < 0) return selection
    if (together) selection = together
    else selection[instance.layerOf[option]!] = option
    // Summed from scratch: adding differences would drift away from the sum that the limit is checked against.
    for (let r = 0; r < uses.length; r++) use[r] = total(uses[r]!, selection)
  }
}

function sum(values: Float64Array, options: readonly number[]): number {
  let total = 0
  for (let n = 0; n < options.length; n++) total += values[options[n]!]!
  return total
}

/** The unit in which violations of a limit are measured, so that bytes and seconds are comparable. */
export function unit(row: Row): number {
  const largest = row.use.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  // A limit of 0 cannot serve as the unit, and a limit near 0 would make all violations infinite and thus equal.
  return Math.max(Math.abs(row.max), row.max === 0 ? largest : 1e-9 * largest) || 1
}
