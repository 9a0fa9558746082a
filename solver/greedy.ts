import { total, type Instance, type Row, type Selection } from './instance.js'
import { Exchanges, type Exchange } from './exchanges.js'
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
  const start = leastSelection(instance)
  if (!start) return undefined
  let selection: Selection = start
  const { rows, scores, layerOf, links, offsets } = instance
  const uses = rows.map((row) => row.use)
  const bounds = Float64Array.from(rows, (row) => row.max + row.tolerance)
  const units = Float64Array.from(rows, unit)
  const exchanges = new Exchanges(offsets, scores, uses, bounds, units)
  const linked = links.pairs.length > 0
  const isFree = (k: number) => isAlone(instance, selection[layerOf[k]!]!, k)
  const use = new Float64Array(uses.length)
  for (;;) {
    // Summed from scratch: adding differences would drift away from the sum that the limit is checked against.
    for (let r = 0; r < uses.length; r++) use[r] = total(uses[r]!, selection)
    if (!exchanges.update(selection, use)) return selection
    const one = exchanges.cheapest(use, -Infinity, linked ? isFree : undefined)
    const several = linked ? cheapestTogether(instance, selection, { use, bounds, units }) : undefined
    if (!one && !several) return selection
    const isOne =
      one && (!several || one.price < several.price || (one.price === several.price && one.option < several.option))
    if (isOne) selection[layerOf[one.option]!] = one.option
    else selection = several!.selection
  }
}

/** The cheapest swap for an option that affects other layers: it needs options of theirs, or the one it displaces is needed. */
function cheapestTogether(
  instance: Instance,
  selection: Selection,
  { use, bounds, units }: Readonly<Record<'use' | 'bounds' | 'units', Float64Array>>,
): (Exchange & { readonly selection: Selection }) | undefined {
  const { rows, scores, layerOf } = instance
  let best: (Exchange & { readonly selection: Selection }) | undefined
  for (let k = 0; k < scores.length; k++) {
    const from = selection[layerOf[k]!]!
    if (k === from || isAlone(instance, from, k)) continue
    const whole = place(instance, selection, k)
    if (!whole) continue
    let removed = 0
    for (const [r, row] of rows.entries())
      removed += (Math.max(0, use[r]! - bounds[r]!) - Math.max(0, total(row.use, whole) - bounds[r]!)) / units[r]!
    const price = (total(scores, whole) - total(scores, selection)) / removed
    if (removed > 1e-12 && price < (best?.price ?? Infinity)) best = { option: k, price, selection: whole }
  }
  return best
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
