import { restrictDense, toDense, type Dense } from './dense.js'
import { ascend } from './dual.js'
import type { Engine, LpAnswer, MipAnswer, Model } from './model.js'
import type { Repaired } from './repair.js'
import { sweep } from './sweep.js'

/** Rows up to which labels pay: each label carries the use of every row. */
const mostRows = 16
/** Widths of the sweeps in turn. Narrow ones find good selections, which let the next one leave out more. */
const widths = [256, 2048, 16_384, 65_536]
/** Labels that all sweeps together may make before the question is left to other engines. */
const mostLabels = 4_000_000

/**
 * An exact search of our own for models with few rows: label setting over the layers, pruned by Lagrangian bounds and by
 * dominance. It carries every selection of the first layers that may still lead to a better one, so equal sums, which branch and
 * bound cannot tell apart, become one label.
 *
 * @source Dyer, Riha and Walker 1995, "A hybrid dynamic programming/branch-and-bound algorithm for the multiple-choice
 *         knapsack problem"
 */
export function createLabels(): Engine {
  return { name: 'labels', relax, solve }
}

function relax(model: Model): LpAnswer {
  const multipliers = new Float64Array(model.rows.length)
  if (model.rows.length > mostRows) return { status: 'unknown', multipliers }
  const dense = toDense(model)
  const dual = ascend(dense)
  for (let r = 0; r < multipliers.length; r++) multipliers[r] = dual.multipliers[r]! / dense.units[r]!
  if (isBeyond(dense, dual.bound)) return { status: 'infeasible', multipliers }
  return { status: 'optimal', multipliers, ...(dual.best ? { chosen: dual.best.chosen } : {}) }
}

function solve(model: Model, gap: number, seconds: number): MipAnswer {
  if (model.rows.length > mostRows) return { status: 'unknown', bound: -Infinity }
  const deadline = performance.now() + seconds * 1000
  const dense = toDense(model)
  const dual = ascend(dense)
  if (isBeyond(dense, dual.bound)) return { status: 'infeasible', bound: Infinity }
  const accuracy = 1e-9 * dense.magnitude
  let best: Repaired | undefined = dual.best
  let left = mostLabels
  for (const width of widths) {
    // Rounding in bounds must not cut off what is exactly as good.
    const target = best ? best.objective - gap * best.objective - accuracy : dense.most + dense.magnitude
    const core = restrictDense(dense, reducedBelow(dense, dual.multipliers, target))
    const { columns } = core
    const answer = sweep(core.dense, { multipliers: dual.multipliers, target, width, labels: left, deadline })
    left -= answer.labels
    if (answer.best && (!best || answer.best.objective < best.objective))
      best = { ...answer.best, chosen: answer.best.chosen.map((c) => columns[c]!) }
    // A selection that the sweep found is below the target; nothing else is.
    if (answer.complete)
      return best
        ? { status: 'proved', chosen: best.chosen, bound: Math.min(best.objective, target) - accuracy }
        : { status: 'infeasible', bound: Infinity }
    if (left <= 0 || performance.now() >= deadline) break
  }
  return best ? { status: 'feasible', chosen: best.chosen, bound: dual.bound - accuracy } : { status: 'unknown', bound: dual.bound - accuracy }
}

/** Whether a bound is so high that no selection satisfies the rows. */
const isBeyond = (dense: Dense, bound: number) => bound > dense.most + 0.05 * dense.magnitude

/** Whether a selection with a column can cost less than a target, by the column's reduced cost. */
function reducedBelow({ layers, offsets, objective, use, upper }: Dense, multipliers: Float64Array, target: number) {
  const reduced = Float64Array.from(objective)
  let bound = 0
  for (let r = 0; r < upper.length; r++) {
    bound -= multipliers[r]! * upper[r]!
    if (multipliers[r]! > 0) for (let c = 0; c < reduced.length; c++) reduced[c]! += multipliers[r]! * use[r]![c]!
  }
  const above = new Float64Array(reduced.length)
  for (let i = 0; i < layers; i++) {
    const least = reduced.subarray(offsets[i], offsets[i + 1]).reduce((a, b) => Math.min(a, b), Infinity)
    bound += least
    for (let c = offsets[i]!; c < offsets[i + 1]!; c++) above[c] = reduced[c]! - least
  }
  return (column: number) => bound + above[column]! < target
}
