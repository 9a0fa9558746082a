import { expand, type Links, type Place } from './links.js'
import type { CompiledProblem, Option } from './problem.js'

/** A limit over all options. */
export interface Row {
  readonly cost: string
  /** Use by each option, [options]. */
  readonly use: Float64Array
  readonly max: number
  /** How much a sum may exceed `max`, so that a sum of floats equal to the limit up to rounding meets it. */
  readonly tolerance: number
}

/**
 * The problem as arrays. The options of layer i are offsets[i] .. offsets[i + 1] - 1. Being covered by a run that starts
 * earlier is one of them, with score and use 0.
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
  /** Names of the costs that all options have. */
  readonly costNames: readonly string[]
}

/** The option chosen in each layer, as an index into all options. */
export type Selection = Int32Array

/** A selection with which a new one may share only so many layers. */
export interface Cut {
  readonly selection: Selection
  readonly maximumShared: number
}

/** Converts a compiled problem to arrays. */
export function toInstance(problem: Pick<CompiledProblem, 'layers' | 'limits'>): Instance {
  const { places: lists, links } = expand(problem.layers)
  const offsets = new Int32Array(lists.length + 1)
  for (const [i, list] of lists.entries()) offsets[i + 1] = offsets[i]! + list.length
  const places = lists.flat()
  const layerOf = new Int32Array(places.length)
  for (let i = 0; i < lists.length; i++) layerOf.fill(i, offsets[i], offsets[i + 1])
  const values = (value: (option: Option) => number) => {
    const array = new Float64Array(places.length)
    for (let k = 0; k < places.length; k++) if (!places[k]!.covered) array[k] = value(places[k]!.option)
    return array
  }
  return {
    layers: lists.length,
    offsets,
    layerOf,
    places,
    links,
    scores: values(({ score }) => score),
    rows: problem.limits.map(({ cost, max }) => ({
      cost,
      use: values(({ costs }) => costs[cost]!),
      max,
      tolerance: 1e-12 * Math.abs(max),
    })),
    costNames: Object.keys(places[0]?.option.costs ?? {}).filter((name) =>
      places.every(({ option }) => Object.hasOwn(option.costs, name)),
    ),
  }
}

/** Sums an array over a selection. */
export function total(values: Float64Array, selection: Selection): number {
  let sum = 0
  for (const k of selection) sum += values[k]!
  return sum
}

/** Counts the layers in which two selections choose the same option. */
export function shared(a: Selection, b: Selection): number {
  let same = 0
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  return same
}

/** Whether a selection meets every limit. */
export function withinLimits(instance: Instance, selection: Selection): boolean {
  return instance.rows.every((row) => total(row.use, selection) <= row.max + row.tolerance)
}

/** Whether a selection includes every option that its options need. */
export function isLinked(instance: Instance, selection: Selection): boolean {
  const has = (k: number) => selection[instance.layerOf[k]!] === k
  return instance.links.pairs.every(([from, to]) => !has(from) || has(to))
}

/** Whether a selection includes all needed options, meets every limit and differs enough from earlier selections. */
export function isFeasible(instance: Instance, selection: Selection, cuts: readonly Cut[] = []): boolean {
  return (
    withinLimits(instance, selection) &&
    isLinked(instance, selection) &&
    cuts.every((cut) => shared(cut.selection, selection) <= cut.maximumShared)
  )
}

/** Returns the id of the option that covers each layer, and the sum of every cost that all options have. */
export function readSelection(instance: Instance, selection: Selection) {
  const chosen = Array.from(selection, (k) => instance.places[k]!)
  const costOf = (name: string) =>
    chosen.reduce((sum, { option, covered }) => sum + (covered ? 0 : option.costs[name]!), 0)
  return {
    choice: chosen.map(({ option }) => option.id),
    costs: Object.fromEntries(instance.costNames.map((name) => [name, costOf(name)])),
  }
}

/** The smallest value in each layer among the kept options, [layers]; Infinity if none is kept. */
export function layerMinima(instance: Instance, values: Float64Array, kept?: Uint8Array): Float64Array {
  const minima = new Float64Array(instance.layers).fill(Infinity)
  for (let i = 0; i < instance.layers; i++)
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++)
      if ((!kept || kept[k]) && values[k]! < minima[i]!) minima[i] = values[k]!
  return minima
}
