import type { CompiledProblem } from './problem.js'

/** A limit over all options. */
export interface Row {
  readonly cost: string
  /** Of every option, [options]. */
  readonly use: Float64Array
  readonly max: number
  /** What a sum may exceed `max` by: a sum of floats that "is" the limit must hold it. */
  readonly tolerance: number
}

/** The problem as arrays. Options of layer i are offsets[i] .. offsets[i + 1] - 1. */
export interface Instance {
  readonly layers: number
  readonly offsets: Int32Array
  readonly scores: Float64Array
  readonly rows: readonly Row[]
}

/** Option chosen in each layer, by its index among all options. */
export type Selection = Int32Array

/** A selection that a new one may share only so many layers with. */
export interface Cut {
  readonly selection: Selection
  readonly maximumShared: number
}

/** @returns the arrays of a compiled problem */
export function toInstance(problem: Pick<CompiledProblem, 'layers' | 'limits'>): Instance {
  const offsets = new Int32Array(problem.layers.length + 1)
  for (const [i, layer] of problem.layers.entries()) offsets[i + 1] = offsets[i]! + layer.options.length
  const options = problem.layers.flatMap((layer) => layer.options)
  return {
    layers: problem.layers.length,
    offsets,
    scores: Float64Array.from(options, (option) => option.score),
    rows: problem.limits.map(({ cost, max }) => ({
      cost,
      use: Float64Array.from(options, (option) => option.costs[cost]!),
      max,
      tolerance: 1e-12 * Math.abs(max),
    })),
  }
}

/** Sum of an array over a selection. */
export function total(values: Float64Array, selection: Selection): number {
  let sum = 0
  for (const k of selection) sum += values[k]!
  return sum
}

/** Layers in which two selections choose the same. */
export function shared(a: Selection, b: Selection): number {
  let same = 0
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  return same
}

/** Whether a selection holds every limit. */
export function withinLimits(instance: Instance, selection: Selection): boolean {
  return instance.rows.every((row) => total(row.use, selection) <= row.max + row.tolerance)
}

/** Whether a selection holds every limit and differs enough from those before it. */
export function isFeasible(instance: Instance, selection: Selection, cuts: readonly Cut[]): boolean {
  return withinLimits(instance, selection) && cuts.every((cut) => shared(cut.selection, selection) <= cut.maximumShared)
}

/** Smallest value of each layer among the kept options, [layers]; Infinity where none is kept. */
export function layerMinima(instance: Instance, values: Float64Array, kept?: Uint8Array): Float64Array {
  const minima = new Float64Array(instance.layers).fill(Infinity)
  for (let i = 0; i < instance.layers; i++)
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++)
      if ((!kept || kept[k]) && values[k]! < minima[i]!) minima[i] = values[k]!
  return minima
}
