import { ask } from './ask.js'
import { isFeasible, total, type Cut, type Instance, type Selection } from './instance.js'
import { buildModel, lagrangian, type Engine } from './model.js'
import { removeUnsupported } from './links.js'
import { reduce } from './reduce.js'
import type { EngineName, Finder } from './result.js'

/** What the engines' absolute tolerances leave unproven, relative to the size of the objective above its least. */
const accuracy = 1e-6

export interface CoreRequest {
  readonly instance: Instance
  readonly cuts: readonly Cut[]
  /** Relative gap of the objective; below 1e-6, the engines' own tolerance, it counts as 1e-6. */
  readonly gap: number
  /** `performance.now()` at which to stop. */
  readonly deadline: number
  /** In the order they are asked; a later one is asked only when those before it proved nothing. */
  readonly engines: readonly Engine[]
  /** A selection to start from, if one is known. */
  readonly start?: { readonly selection: Selection; readonly from: Finder } | undefined
}

export type CoreAnswer =
  | {
      readonly kind: 'solved'
      readonly selection: Selection
      readonly objective: number
      readonly bound: number
      readonly proved: boolean
      readonly engine: Finder
      /** Options after reduction, and in the last MIP. */
      readonly undominated: number
      readonly core: number
    }
  | { readonly kind: 'infeasible'; readonly engine: EngineName | 'bound' }
  /** Out of time without a selection. */
  | { readonly kind: 'unknown'; readonly bound: number }

/** Relative gap between an objective and a bound of it. */
export function relativeGap(objective: number, bound: number): number {
  return objective <= bound ? 0 : (objective - bound) / Math.max(Math.abs(objective), Math.abs(bound))
}

/**
 * Minimises by the core method: the multipliers of the LP relaxation give every option a reduced cost; only options
 * whose reduced cost leaves room below a guessed upper bound enter the MIP. If the MIP's best is below the guess, no
 * selection with a removed option can be better, so the answer holds for the whole problem.
 *
 * @source Balas and Zemel 1980, "An algorithm for large zero-one knapsack problems"
 */
export function solveCore(request: CoreRequest): CoreAnswer {
  const gap = Math.max(request.gap, 1e-6)
  const first = solveToGap(request, gap)
  // Where the sum of scores is near zero or negative, the model's gap is only an estimate of the objective's.
  if (first.kind !== 'solved' || first.proved || performance.now() >= request.deadline) return first
  const second = solveToGap({ ...request, start: { selection: first.selection, from: first.engine } }, gap, 1e-9)
  return second.kind === 'solved' ? { ...second, bound: Math.max(first.bound, second.bound) } : first
}

function solveToGap(request: CoreRequest, gap: number, forcedModelGap?: number): CoreAnswer {
  const { instance, cuts, deadline, engines } = request
  const left = () => (deadline - performance.now()) / 1000
  const undominated = reduce(instance, cuts)
  const count = undominated.reduce((sum, value) => sum + value, 0)
  const cheapest = leastScores(instance, undominated)
  if (!cheapest) return { kind: 'infeasible', engine: 'bound' }

  let incumbent: { selection: Selection; engine: Finder; objective: number } | undefined
  const known = () => incumbent
  const offer = (selection: Selection | undefined, engine: Finder) => {
    if (!selection || !isFeasible(instance, selection, cuts)) return
    const objective = total(instance.scores, selection)
    if (!incumbent || objective < incumbent.objective) incumbent = { selection, engine, objective }
  }
  let size = 0
  const finish = (provenBound: number, core: number): CoreAnswer => {
    const best = known()
    if (!best) return { kind: 'unknown', bound: provenBound }
    const bound = Math.min(provenBound, best.objective)
    const proved = relativeGap(best.objective, bound) <= gap || best.objective - bound <= accuracy * size
    return { kind: 'solved', ...best, bound, proved, undominated: count, core }
  }

  offer(cheapest, 'bound')
  if (known()) return finish(total(instance.scores, cheapest), instance.layers)
  if (request.start) offer(request.start.selection, request.start.from)

  const relaxed = relax(request, undominated, known() !== undefined, left)
  if (relaxed === undefined) return { kind: 'infeasible', engine: engines[0]!.name }
  const { lower, base, reduced } = relaxed
  const above = lower - base
  const typical = spread(instance, undominated)
  // A bound that is above the minima by noise alone says nothing of the size.
  size = above > 1e-4 * typical ? above : Math.max((known()?.objective ?? base) - base, typical)
  const modelGap = forcedModelGap ?? Math.min(0.5, Math.max(1e-9, (0.99 * gap * Math.abs(lower)) / size))
  const excluded: Cut[] = []

  let room = 1e-3 * size
  for (;;) {
    const guess = lower + room
    const kept = undominated.map((value, k) => (value && reduced[k]! < room ? 1 : 0))
    // What needs a removed option costs as much as that one at least.
    removeUnsupported(instance.links, kept)
    const core = kept.reduce((sum, value) => sum + value, 0)
    const all = core === count
    const answer = ask({ instance, kept, cuts, size, gap: modelGap, excluded }, engines, left)
    offer(answer.selection, answer.engine)
    const best = known()
    // Selections inside the core cost at least the engine's bound, all others at least the guess.
    const proven = Math.max(lower, all ? answer.bound : Math.min(answer.bound, guess))
    if (all && answer.status === 'infeasible')
      return best ? finish(lower, core) : { kind: 'infeasible', engine: answer.engine }
    const settled = all || (best !== undefined && best.objective <= guess)
    if (settled || left() <= 0 || answer.status === 'unknown' || answer.status === 'feasible')
      return finish(proven, core)
    room = best ? (best.objective - lower) * (1 + 1e-9) + 1e-12 * size : room * 4
  }
}

/**
 * Lagrangian bound and reduced costs of all undominated options, in units of the score; undefined when infeasible.
 * @param feasible  a selection is known, so an engine that says otherwise is wrong
 */
function relax(request: CoreRequest, undominated: Uint8Array, feasible: boolean, left: () => number) {
  const { instance, cuts, engines } = request
  const model = buildModel(instance, undominated, cuts, spread(instance, undominated))
  let multipliers = new Float64Array(model.rows.length)
  for (const engine of engines) {
    const answer = engine.relax(model, Math.max(left(), 0.1))
    if (answer.status === 'infeasible') {
      if (feasible) continue
      return undefined
    }
    multipliers = Float64Array.from(answer.multipliers)
    if (answer.status === 'optimal') break
  }
  const { bound, reduced } = lagrangian(model, multipliers)
  const byOption = new Float64Array(instance.scores.length).fill(Infinity)
  for (const [column, k] of model.columns.entries()) byOption[k] = reduced[column]! / model.scale
  return { lower: model.base + bound / model.scale, base: model.base, reduced: byOption }
}

/** The best option of each layer; undefined when a layer has none left. Of equals the first. */
function leastScores(instance: Instance, kept: Uint8Array): Selection | undefined {
  const selection = new Int32Array(instance.layers).fill(-1)
  for (let i = 0; i < instance.layers; i++)
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++)
      if (kept[k] && (selection[i] === -1 || instance.scores[k]! < instance.scores[selection[i]!]!)) selection[i] = k
  return selection.includes(-1) ? undefined : selection
}

/** Median over the layers of the spread of scores, times the layers: the objective's size when nothing better is known. */
function spread(instance: Instance, kept: Uint8Array): number {
  const spreads = Array.from({ length: instance.layers }, (_, i) => {
    const scores: number[] = []
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) if (kept[k]) scores.push(instance.scores[k]!)
    return scores.reduce((a, b) => Math.max(a, b)) - scores.reduce((a, b) => Math.min(a, b))
  }).sort((a, b) => a - b)
  const median = spreads[Math.floor(spreads.length / 2)]!
  return (median > 0 ? median : (spreads.at(-1) ?? 0)) * instance.layers || 1
}
