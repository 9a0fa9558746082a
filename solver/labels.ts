import { restrictDense, toDense, type Dense } from './dense.js'
import { ascend, reduce } from './dual.js'
import type { Engine, LpAnswer, MipAnswer, Model } from './model.js'
import type { Repaired } from './repair.js'
import { sweep } from './sweep.js'

/** Rows up to which labels pay: each label carries the use of every row. */
const mostRows = 16
/**
 * The sweeps in turn. Those that look for any better selection find good ones, with which those that look for one better by more
 * than the gap have less to rule out.
 */
const sweeps = [
  { width: 64, any: true },
  { width: 512, any: false },
  { width: 512, any: true },
  { width: 4096, any: false },
  { width: 4096, any: true },
  { width: 65_536, any: false },
]
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
  let improved = true
  for (const { width, any } of sweeps) {
    // If the last sweep found nothing better, the selection is probably as good as it gets.
    if (any && !improved) continue
    // Rounding in bounds must not cut off what is exactly as good.
    const target = best ? best.objective * (any ? 1 : 1 - gap) - accuracy : dense.most + dense.magnitude
    const core = restrictDense(dense, reducedBelow(dense, dual.multipliers, target))
    const { columns } = core
    const answer = sweep(core.dense, { multipliers: dual.multipliers, target, width, labels: left, deadline })
    left -= answer.labels
    improved = answer.best !== undefined && (!best || answer.best.objective < best.objective)
    if (improved && answer.best) best = { ...answer.best, chosen: answer.best.chosen.map((c) => columns[c]!) }
    // A selection that the sweep found is below the target; nothing else is.
    if (answer.complete)
      return best
        ? { status: 'proved', chosen: best.chosen, bound: Math.min(best.objective, target) - accuracy }
        : { status: 'infeasible', bound: Infinity }
    if (left <= 0 || performance.now() >= deadline) break
  }
  return best
    ? { status: 'feasible', chosen: best.chosen, bound: dual.bound - accuracy }
    : { status: 'unknown', bound: dual.bound - accuracy }
}

/** Whether a bound is so high that no selection satisfies the rows. */
const isBeyond = (dense: Dense, bound: number) => bound > dense.most + 0.05 * dense.magnitude

/** Whether a selection with a column can cost less than a target, by the column's reduced cost. */
function reducedBelow(dense: Dense, multipliers: Float64Array, target: number) {
  const { layers, offsets } = dense
  const reduced = new Float64Array(dense.objective.length)
  let bound = reduce(dense, multipliers, reduced)
  const above = new Float64Array(reduced.length)
  for (let i = 0; i < layers; i++) {
    const least = reduced.subarray(offsets[i], offsets[i + 1]).reduce((a, b) => Math.min(a, b), Infinity)
    bound += least
    for (let c = offsets[i]!; c < offsets[i + 1]!; c++) above[c] = reduced[c]! - least
  }
  return (column: number) => bound + above[column]! < target
}
