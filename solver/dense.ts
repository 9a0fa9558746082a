import type { Model } from './model.js'

/** Multipliers per magnitude; with larger ones, rounding would spoil the bounds. */
export const largestMultiplier = 1e6

/** A model with its rows as full arrays, one value per column. */
export interface Dense {
  readonly layers: number
  /** First column of each layer, [layers + 1]. */
  readonly offsets: Int32Array
  readonly objective: Float64Array
  /** Use of each row by each column, [rows][columns], in units in which the row's upper bound is about 1. */
  readonly use: readonly Float64Array[]
  readonly upper: Float64Array
  /** The size of each row's unit: a power of two, so that sums which are equal stay equal. */
  readonly units: Float64Array
  /** No selection has a higher objective. */
  readonly most: number
  /** Size of the numbers that bounds are summed from; their rounding is relative to it. */
  readonly magnitude: number
}

/** Writes out a model's rows. */
export function toDense(model: Model): Dense {
  const layers = model.offsets.length - 1
  let most = 0
  for (let i = 0; i < layers; i++) {
    let largest = -Infinity
    for (let c = model.offsets[i]!; c < model.offsets[i + 1]!; c++) largest = Math.max(largest, model.objective[c]!)
    most += largest
  }
  const units = Float64Array.from(model.rows, ({ upper, values }) => {
    let largest = 0
    for (let n = 0; n < values.length; n++) largest = Math.max(largest, Math.abs(values[n]!))
    return 2 ** Math.round(Math.log2(Math.max(Math.abs(upper), largest, 1e-300)))
  })
  return {
    layers,
    offsets: model.offsets,
    objective: model.objective,
    use: model.rows.map(({ columns, values }, r) => {
      const use = new Float64Array(model.columns.length)
      for (let n = 0; n < columns.length; n++) use[columns[n]!] = values[n]! / units[r]!
      return use
    }),
    upper: Float64Array.from(model.rows, (row, r) => row.upper / units[r]!),
    units,
    most,
    magnitude: Math.max(most, 1),
  }
}

/** Keeps some of the columns of each layer. */
export function restrictDense(dense: Dense, kept: (column: number) => boolean) {
  const columns: number[] = []
  const offsets = new Int32Array(dense.layers + 1)
  for (let i = 0; i < dense.layers; i++) {
    for (let c = dense.offsets[i]!; c < dense.offsets[i + 1]!; c++) if (kept(c)) columns.push(c)
    offsets[i + 1] = columns.length
  }
  const pick = (values: Float64Array) => {
    const picked = new Float64Array(columns.length)
    for (let n = 0; n < picked.length; n++) picked[n] = values[columns[n]!]!
    return picked
  }
  return {
    columns: Int32Array.from(columns),
    dense: { ...dense, offsets, objective: pick(dense.objective), use: dense.use.map(pick) },
  }
}
