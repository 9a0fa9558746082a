import { expand, type Links, type Place } from './links.js'
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

/**
 * The problem as arrays. Options of layer i are offsets[i] .. offsets[i + 1] - 1; that a run from before covers the layer
 * is an option like others, without score and use.
 */
export interface Instance {
  readonly layers: number
  readonly offsets: Int32Array
  /** Layer of each option. */
  readonly layerOf: Int32Array
  readonly places: readonly Place[]
  readonly links: Links
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
  const { places: lists, links } = expand(problem.layers)
  const offsets = new Int32Array(lists.length + 1)
  for (const [i, list] of lists.entries()) offsets[i + 1] = offsets[i]! + list.length
  const places = lists.flat()
  return {
    layers: lists.length,
    offsets,
    layerOf: Int32Array.from(lists.flatMap((list, i) => list.map(() => i))),
    places,
    links,
    scores: Float64Array.from(places, ({ option, covered }) => (covered ? 0 : option.score)),
    rows: problem.limits.map(({ cost, max }) => ({
      cost,
      use: Float64Array.from(places, ({ option, covered }) => (covered ? 0 : option.costs[cost]!)),
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

/** Whether a selection has all that its options need. */
export function isLinked(instance: Instance, selection: Selection): boolean {
  const has = (k: number) => selection[instance.layerOf[k]!] === k
  return instance.links.pairs.every(([from, to]) => !has(from) || has(to))
}

/** Whether a selection has all that its options need, holds every limit and differs enough from those before it. */
export function isFeasible(instance: Instance, selection: Selection, cuts: readonly Cut[] = []): boolean {
  return (
    withinLimits(instance, selection) &&
    isLinked(instance, selection) &&
    cuts.every((cut) => shared(cut.selection, selection) <= cut.maximumShared)
  )
}

/** Ids of the options that cover the layers, and the sums of every cost that all options have. */
export function readSelection(instance: Instance, selection: Selection) {
  const chosen = Array.from(selection, (k) => instance.places[k]!)
  const options = instance.places.map(({ option }) => option)
  const names = Object.keys(options[0]!.costs).filter((name) =>
    options.every((option) => Object.hasOwn(option.costs, name)),
  )
  const costOf = (name: string) =>
    chosen.reduce((sum, { option, covered }) => sum + (covered ? 0 : option.costs[name]!), 0)
  return {
    choice: chosen.map(({ option }) => option.id),
    costs: Object.fromEntries(names.map((name) => [name, costOf(name)])),
  }
}

/** Smallest value of each layer among the kept options, [layers]; Infinity where none is kept. */
export function layerMinima(instance: Instance, values: Float64Array, kept?: Uint8Array): Float64Array {
  const minima = new Float64Array(instance.layers).fill(Infinity)
  for (let i = 0; i < instance.layers; i++)
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++)
      if ((!kept || kept[k]) && values[k]! < minima[i]!) minima[i] = values[k]!
  return minima
}
