import type { Dense } from './dense.js'
import type { Repaired } from './repair.js'
import { Suffix, type SuffixBounds } from './suffix.js'

/** Labels with which a new one is compared. */
const window = 64
/** Labels per layer for which multipliers of their own are found. */
const mostProbes = 8
/** By how much a sum may exceed an upper bound of about 1 before a label is dropped; the caller checks selections exactly. */
const slack = 1e-12

/** What to search for. */
export interface SweepRequest {
  /** Good multipliers for the whole problem. */
  readonly multipliers: Float64Array
  /** Only selections with a lower objective are of interest. */
  readonly target: number
  /** Labels to keep per layer; the rest are dropped. */
  readonly width: number
  /** Labels to make at most. */
  readonly labels: number
  /** `performance.now()` at which to stop. */
  readonly deadline: number
}

/** The selections of the layers up to one that may lead to a target, as columns of numbers. */
interface Labels {
  readonly count: number
  readonly objective: Float64Array
  /** What each uses of every row, a label after the other, [labels x rows]. */
  readonly used: Float64Array
}

/** How labels came about: the label that each extends, and by which column. */
interface Step {
  readonly layer: number
  readonly parent: Int32Array
  readonly column: Int32Array
}

/** Labels with one layer more. */
interface Extended extends Labels, Omit<Step, 'layer'> {
  /** No completion of a label has a lower objective. */
  readonly bound: Float64Array
}

/**
 * Extends labels layer by layer. A label is dropped if even the Lagrangian bound of the layers left over does not bring it below
 * the target, or if another one uses no more of anything. Bounds are the best of several sets of multipliers, found for labels
 * spread over the current ones.
 *
 * @returns `complete` if nothing was dropped for want of room: then `best`, or nothing, is below the target
 */
export function sweep(
  dense: Dense,
  request: SweepRequest,
): { readonly best?: Repaired; readonly complete: boolean; readonly labels: number } {
  const { multipliers, target, width, deadline } = request
  const rows = dense.upper.length
  const order = byDeviation(dense, multipliers)
  if (!order) return { complete: true, labels: 0 }
  const suffix = new Suffix(dense, order)
  const steps: Step[] = []
  let labels: Labels = {
    count: 1,
    objective: new Float64Array(1),
    used: new Float64Array(rows),
  }
  const most = new Float64Array(rows)
  let made = 0
  let complete = true
  for (const [t, layer] of order.entries()) {
    const [from, to] = [dense.offsets[layer]!, dense.offsets[layer + 1]!]
    // Where there is nothing to choose, new multipliers would rule out nothing new.
    const probes = to - from > 1 ? probe(dense, labels, from, target) : []
    const bounds = suffix.bounds(t + 1, multipliers, probes)
    const room = labels.count * (to - from)
    // There must be memory for all of them, before any is ruled out.
    if (room > request.labels) return { complete: false, labels: made }
    for (let r = 0; r < rows; r++) most[r] = dense.upper[r]! + slack - suffix.least[r]![t + 1]!
    const next = extend(dense, labels, [from, to], { most, bounds, target })
    made += next.count
    const { kept, dropped } = undominated(next, rows, width)
    if (dropped) complete = false
    labels = kept
    steps.push({ layer, parent: kept.parent, column: kept.column })
    if (labels.count === 0) return { complete, labels: made }
    if (made > request.labels || performance.now() > deadline) return { complete: false, labels: made }
  }
  let best = 0
  for (let n = 1; n < labels.count; n++) if (labels.objective[n]! < labels.objective[best]!) best = n
  return { best: trace(dense, steps, best), complete, labels: made }
}

/** The labels with each of a layer's columns, except those that break a row or cannot lead below the target. */
function extend(
  dense: Dense,
  labels: Labels,
  [from, to]: readonly [number, number],
  { most, bounds, target }: { most: Float64Array; bounds: SuffixBounds; target: number },
): Extended {
  const rows = most.length
  const { constants, multipliers } = bounds
  const room = labels.count * (to - from)
  const objective = new Float64Array(room)
  const used = new Float64Array(room * rows)
  const bound = new Float64Array(room)
  const parent = new Int32Array(room)
  const column = new Int32Array(room)
  let count = 0
  // The set that ruled out a label probably rules out the next one, too.
  let first = 0
  for (let n = 0; n < labels.count; n++)
    extension: for (let c = from; c < to; c++) {
      const at = count * rows
      for (let r = 0; r < rows; r++) {
        const sum = labels.used[n * rows + r]! + dense.use[r]![c]!
        if (sum > most[r]!) continue extension
        used[at + r] = sum
      }
      const own = labels.objective[n]! + dense.objective[c]!
      let highest = -Infinity
      for (let q = first, turn = 0; turn <= constants.length; q = turn++) {
        let value = own + constants[q]!
        for (let r = 0; r < rows; r++) value += multipliers[q * rows + r]! * used[at + r]!
        if (value >= target) {
          first = q
          continue extension
        }
        if (value > highest) highest = value
      }
      objective[count] = own
      bound[count] = highest
      parent[count] = n
      column[count] = c
      count++
    }
  return { count, objective, used, bound, parent, column }
}

/** Layers by how much their options differ from their relaxed choice, most first: large steps early, fine ones at the end. */
function byDeviation({ layers, offsets, objective, use }: Dense, multipliers: Float64Array): number[] | undefined {
  const deviation = new Float64Array(layers)
  for (let i = 0; i < layers; i++) {
    if (offsets[i] === offsets[i + 1]) return undefined
    let least = Infinity
    let relaxed = 0
    for (let c = offsets[i]!; c < offsets[i + 1]!; c++) {
      let reduced = objective[c]!
      for (let r = 0; r < use.length; r++) reduced += multipliers[r]! * use[r]![c]!
      if (reduced >= least) continue
      least = reduced
      relaxed = c
    }
    for (let c = offsets[i]!; c < offsets[i + 1]!; c++)
      deviation[i] = Math.max(deviation[i]!, Math.abs(objective[c]! - objective[relaxed]!))
  }
  return Array.from(deviation.keys()).sort((a, b) => deviation[b]! - deviation[a]! || a - b)
}

/** What some of the labels leave for the layers after the next: room in each row, and room below the target. */
function probe(dense: Dense, labels: Labels, column: number, target: number) {
  const count = Math.min(mostProbes, labels.count)
  const rows = dense.upper.length
  return Array.from({ length: count }, (_, q) => {
    const n = Math.floor(((q + 0.5) * labels.count) / count)
    return {
      room: Float64Array.from(dense.upper, (upper, r) => upper - labels.used[n * rows + r]! - dense.use[r]![column]!),
      need: target - labels.objective[n]! - dense.objective[column]!,
    }
  })
}

/** The labels with the lowest bounds, without those that an earlier one of these dominates. */
function undominated(
  next: Extended,
  rows: number,
  width: number,
): { readonly kept: Labels & Omit<Step, 'layer'>; readonly dropped: boolean } {
  const order = ascending(next.bound.subarray(0, next.count))
  const room = Math.min(width, next.count)
  const objective = new Float64Array(room)
  const used = new Float64Array(room * rows)
  const parent = new Int32Array(room)
  const column = new Int32Array(room)
  let count = 0
  let dropped = false
  label: for (let at = 0; at < order.length; at++) {
    const n = order[at]!
    const own = next.objective[n]!
    for (let q = count - 1; q >= Math.max(0, count - window); q--) {
      if (objective[q]! > own) continue
      let r = 0
      while (r < rows && used[q * rows + r]! <= next.used[n * rows + r]!) r++
      if (r === rows) continue label
    }
    dropped = count === width
    if (dropped) break
    objective[count] = own
    for (let r = 0; r < rows; r++) used[count * rows + r] = next.used[n * rows + r]!
    parent[count] = next.parent[n]!
    column[count] = next.column[n]!
    count++
  }
  return { kept: { count, objective, used, parent: parent.slice(0, count), column: column.slice(0, count) }, dropped }
}

/** Indices of values, in ascending order of these; of equal values the first one first. Faster than a sort that calls back. */
function ascending(values: Float64Array): Uint32Array {
  const sorted = values.slice().sort()
  const placed = new Uint32Array(values.length)
  const order = new Uint32Array(values.length)
  for (let n = 0; n < values.length; n++) {
    let from = 0
    let to = values.length - 1
    while (from < to) {
      const middle = (from + to) >> 1
      if (sorted[middle]! < values[n]!) from = middle + 1
      else to = middle
    }
    order[from + placed[from]!++] = n
  }
  return order
}

/** The columns of a label, summed in the order of the layers. */
function trace(dense: Dense, steps: readonly Step[], last: number): Repaired {
  const chosen = new Int32Array(dense.layers)
  let n = last
  for (const { layer, parent, column } of [...steps].reverse()) {
    chosen[layer] = column[n]!
    n = parent[n]!
  }
  let objective = 0
  for (const c of chosen) objective += dense.objective[c]!
  return { chosen, objective }
}
