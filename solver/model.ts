import { layerMinima, type Cut, type Instance, type Selection } from './instance.js'
import type { EngineName } from './result.js'

/** A mixed-integer program over some of the options: choose one column per layer, minimise, satisfy every row. */
export interface Model {
  /** Option index of each column. */
  readonly columns: Int32Array
  /** First column of each layer, [layers + 1]. */
  readonly offsets: Int32Array
  /** Scaled score of each column, ≥ 0. */
  readonly objective: Float64Array
  /** objective = (score - layer minimum) * scale; `base` is the sum of the layer minima. */
  readonly scale: number
  readonly base: number
  readonly rows: readonly ModelRow[]
}

/** The constraint: sum of values[i] * columns[i] ≤ upper. */
export interface ModelRow {
  readonly columns: readonly number[]
  readonly values: readonly number[]
  readonly upper: number
}

/** The answer of a MIP engine. */
export interface MipAnswer {
  /** `proved`: optimal within the gap. `feasible`: stopped earlier. `infeasible`: proven to be so. `unknown`: none of these. */
  readonly status: 'proved' | 'feasible' | 'infeasible' | 'unknown'
  /** The chosen columns, one per layer. */
  readonly chosen?: Int32Array
  /** Lower bound in the model's scale; -Infinity if nothing is proven. */
  readonly bound: number
}

/** The answer to the LP relaxation. */
export interface LpAnswer {
  readonly status: 'optimal' | 'infeasible' | 'unknown'
  /** Multipliers of the rows, ≥ 0. */
  readonly multipliers: Float64Array
  /** Columns that satisfy every row, one per layer, if the engine came across some. */
  readonly chosen?: Int32Array
}

/** A solver of models. Every engine blocks the thread. */
export interface Engine {
  readonly name: EngineName
  relax(model: Model, seconds: number): LpAnswer | Promise<LpAnswer>
  solve(model: Model, gap: number, seconds: number): MipAnswer | Promise<MipAnswer>
}

// Solvers prune and check rows within absolute tolerances of 1e-7 to 1e-6. Right-hand sides of 1e4 and objectives around 1e3
// keep them far below the gaps that matter; unscaled, a sum of KL of 1e-5 would silently give wrong optima.
const rowScale = 1e4
/** Size to which the objective is scaled. */
export const objectiveTarget = 1e3

/**
 * Builds the program for some of the options.
 *
 * @param kept  mask of the options that become columns, [options]
 * @param size  a typical objective above the sum of the layers' minima; it is scaled to about 1e3
 */
export function buildModel(instance: Instance, kept: Uint8Array, cuts: readonly Cut[], size: number): Model {
  const columns: number[] = []
  const offsets = new Int32Array(instance.layers + 1)
  for (let i = 0; i < instance.layers; i++) {
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) if (kept[k]) columns.push(k)
    offsets[i + 1] = columns.length
  }
  const layerOf = new Int32Array(columns.length)
  for (let i = 0; i < instance.layers; i++) layerOf.fill(i, offsets[i], offsets[i + 1])
  // Over all options, not only the kept ones, so that base and scale do not depend on the core.
  const minima = layerMinima(instance, instance.scores)
  const scale = size > 0 ? objectiveTarget / size : 1
  const rows: ModelRow[] = []
  for (const row of instance.rows) {
    const least = layerMinima(instance, row.use, kept)
    const spare = row.max + row.tolerance - sum(least)
    const above = new Float64Array(columns.length)
    let largest = 0
    for (let c = 0; c < above.length; c++) {
      above[c] = row.use[columns[c]!]! - least[layerOf[c]!]!
      if (above[c]! > largest) largest = above[c]!
    }
    if (spare >= 0 && sum(layerMaxima(above, offsets)) <= spare) continue
    // A power of two, so that sums which are equal stay equal.
    const factor = 2 ** Math.round(Math.log2(rowScale / Math.max(Math.abs(spare), largest * 1e-6, 1e-290)))
    for (let c = 0; c < above.length; c++) above[c] = above[c]! * factor
    rows.push(sparse(above, spare * factor))
  }
  for (const cut of cuts) {
    const coefficients = Float64Array.from(columns, (k, c) => (cut.selection[layerOf[c]!] === k ? 1 : 0))
    if (sum(coefficients) > cut.maximumShared) rows.push(sparse(coefficients, cut.maximumShared))
  }
  const { pairs } = instance.links
  const columnOf = new Map(pairs.length > 0 ? columns.map((k, c) => [k, c]) : [])
  for (const [from, to] of pairs) {
    const [a, b] = [columnOf.get(from), columnOf.get(to)]
    // `removeUnsupported` drops options that need one that is not kept; should one remain, it is fixed at 0.
    if (a !== undefined) rows.push(b === undefined ? { columns: [a], values: [1], upper: 0 } : needs(a, b))
  }
  const objective = new Float64Array(columns.length)
  for (let c = 0; c < objective.length; c++)
    objective[c] = (instance.scores[columns[c]!]! - minima[layerOf[c]!]!) * scale
  return {
    columns: Int32Array.from(columns),
    offsets,
    objective,
    scale,
    base: sum(minima),
    rows,
  }
}

function sparse(coefficients: Float64Array, upper: number): ModelRow {
  const columns: number[] = []
  const values: number[] = []
  for (let c = 0; c < coefficients.length; c++) {
    if (coefficients[c] === 0) continue
    columns.push(c)
    values.push(coefficients[c]!)
  }
  return { columns, values, upper }
}

const needs = (a: number, b: number): ModelRow => ({ columns: [a, b], values: [1, -1], upper: 0 })

/** Converts chosen columns to a selection. */
export function toSelection(model: Model, chosen: Int32Array): Selection {
  return chosen.map((column) => model.columns[column]!)
}

/** Reads one column per layer from a solver's 0/1 values. Undefined if they are not a valid choice. */
export function readChoice(model: Model, value: (column: number) => number): Int32Array | undefined {
  const chosen = new Int32Array(model.offsets.length - 1).fill(-1)
  for (let i = 0; i < chosen.length; i++)
    for (let c = model.offsets[i]!; c < model.offsets[i + 1]!; c++)
      if (value(c) > 0.5) {
        if (chosen[i] !== -1) return undefined
        chosen[i] = c
      }
  return chosen.includes(-1) ? undefined : chosen
}

/**
 * Computes the Lagrangian bound. It is valid for any multipliers ≥ 0, so inaccurate ones do no harm.
 *
 * @returns the bound in the model's scale, and each column's reduced cost above its layer's minimum
 */
export function lagrangian(model: Model, multipliers: Float64Array): { bound: number; reduced: Float64Array } {
  const reduced = model.objective.slice()
  let bound = 0
  for (const [r, row] of model.rows.entries()) {
    const weight = multipliers[r]!
    if (weight === 0) continue
    bound -= weight * row.upper
    for (let n = 0; n < row.columns.length; n++) reduced[row.columns[n]!]! += weight * row.values[n]!
  }
  for (let i = 0; i + 1 < model.offsets.length; i++) {
    let least = Infinity
    for (let c = model.offsets[i]!; c < model.offsets[i + 1]!; c++) least = Math.min(least, reduced[c]!)
    bound += least
    for (let c = model.offsets[i]!; c < model.offsets[i + 1]!; c++) reduced[c]! -= least
  }
  return { bound, reduced }
}

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0)

function layerMaxima(values: Float64Array, offsets: Int32Array): Float64Array {
  const maxima = new Float64Array(offsets.length - 1).fill(-Infinity)
  for (let i = 0; i < maxima.length; i++)
    for (let c = offsets[i]!; c < offsets[i + 1]!; c++) maxima[i] = Math.max(maxima[i]!, values[c]!)
  return maxima
}
