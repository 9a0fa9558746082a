import { ask } from './ask.js'
import { isFeasible, total, type Cut, type Instance, type Selection } from './instance.js'
import { buildModel, lagrangian, toSelection, type Engine } from './model.js'
import { removeUnsupported } from './links.js'
import { reduce } from './reduce.js'
import type { EngineName, Finder } from './result.js'

/** How much the engines' absolute tolerances leave unproven, relative to the objective's height above the layers' minima. */
const accuracy = 1e-6

/** A problem for the core method. */
export interface CoreRequest {
  readonly instance: Instance
  readonly cuts: readonly Cut[]
  /** Relative gap to prove; at least 1e-6, the tolerance of the engines. */
  readonly gap: number
  /** `performance.now()` at which to stop. */
  readonly deadline: number
  /** In the order in which they are asked; the next one is asked only if the previous ones proved nothing. */
  readonly engines: readonly Engine[]
  /** A known selection to start from. */
  readonly start?: { readonly selection: Selection; readonly from: Finder } | undefined
}

/** The answer of the core method. */
export type CoreAnswer =
  | {
      readonly kind: 'solved'
      readonly selection: Selection
      readonly objective: number
      readonly bound: number
      readonly proved: boolean
      readonly engine: Finder
      /** The engine that the bound comes from; absent if none was asked. */
      readonly prover?: EngineName
      /** Number of options after reduction, and in the last MIP (`core`). */
      readonly undominated: number
      readonly core: number
    }
  | { readonly kind: 'infeasible'; readonly prover?: EngineName }
  /** Time ran out before a selection was found. */
  | { readonly kind: 'unknown'; readonly bound: number }

/** Relative gap between an objective and its bound. */
export function relativeGap(objective: number, bound: number): number {
  return objective <= bound ? 0 : (objective - bound) / Math.max(Math.abs(objective), Math.abs(bound))
}

/**
 * Minimises by the core method. The multipliers of the LP relaxation give every option a reduced cost, and only options
 * whose reduced cost leaves room below a guessed upper bound enter the MIP. If the MIP's optimum is below the guess, no
 * selection with an omitted option can be better, so the answer holds for the whole problem.
 *
 * @source Balas and Zemel 1980, "An algorithm for large zero-one knapsack problems"
 */
export async function solveCore(request: CoreRequest): Promise<CoreAnswer> {
  const gap = Math.max(request.gap, 1e-6)
  const first = await solveToGap(request, gap)
  // If the sum of scores is near zero or negative, the model's gap only estimates the objective's.
  if (first.kind !== 'solved' || first.proved || performance.now() >= request.deadline) return first
  const start = { selection: first.selection, from: first.engine }
  const second = await solveToGap({ ...request, start }, gap, 1e-9)
  return second.kind === 'solved' ? { ...second, bound: Math.max(first.bound, second.bound) } : first
}

async function solveToGap(request: CoreRequest, gap: number, forcedModelGap?: number): Promise<CoreAnswer> {
  const { instance, cuts, deadline, engines } = request
  const left = () => (deadline - performance.now()) / 1000
  const undominated = reduce(instance, cuts)
  const count = undominated.reduce((sum, value) => sum + value, 0)
  const cheapest = leastScores(instance, undominated)
  if (!cheapest) return { kind: 'infeasible' }

  let incumbent: { selection: Selection; engine: Finder; objective: number } | undefined
  const best = () => incumbent
  const offer = (selection: Selection | undefined, engine: Finder) => {
    if (!selection || !isFeasible(instance, selection, cuts)) return
    const objective = total(instance.scores, selection)
    if (!incumbent || objective < incumbent.objective) incumbent = { selection, engine, objective }
  }
  let size = 0
  const finish = (provenBound: number, core: number, prover?: EngineName): CoreAnswer => {
    const known = best()
    if (!known) return { kind: 'unknown', bound: provenBound }
    const bound = Math.min(provenBound, known.objective)
    const proved = relativeGap(known.objective, bound) <= gap || known.objective - bound <= accuracy * size
    return { kind: 'solved', ...known, bound, proved, undominated: count, core, ...(prover ? { prover } : {}) }
  }

  offer(cheapest, 'bound')
  if (best()) return finish(total(instance.scores, cheapest), instance.layers)
  if (request.start) offer(request.start.selection, request.start.from)

  const typical = spread(instance, undominated)
  const relaxed = await relax(request, undominated, typical, best() !== undefined, left)
  if (relaxed.infeasible) return { kind: 'infeasible', prover: relaxed.infeasible }
  const { lower, base, reduced } = relaxed
  offer(relaxed.selection, relaxed.engine)
  const above = lower - base
  // A bound that exceeds the minima only by noise says nothing about the size.
  size = above > 1e-4 * typical ? above : Math.max((best()?.objective ?? base) - base, typical)
  const modelGap = forcedModelGap ?? Math.min(0.5, Math.max(1e-9, (0.99 * gap * Math.abs(lower)) / size))
  const excluded: Cut[] = []

  // With a selection that is nearly as good as the bound, a core of all options that might beat it is small.
  const known = best()
  let room = Math.max(
    1e-12 * size,
    Math.min(known ? known.objective - lower : Infinity, relaxed.selection ? 0.05 * size : 1e-3 * size),
  )
  for (;;) {
    const guess = lower + room
    const kept = undominated.map((value, k) => (value && reduced[k]! < room ? 1 : 0))
    // An option that needs an omitted one costs at least as much as it.
    removeUnsupported(instance.links, kept)
    const core = kept.reduce((sum, value) => sum + value, 0)
    const all = core === count
    const answer = await ask({ instance, kept, cuts, size, gap: modelGap, excluded }, engines, left)
    offer(answer.selection, answer.engine)
    const found = best()
    // Selections within the core cost at least the engine's bound, all others at least the guess.
    const proven = Math.max(lower, all ? answer.bound : Math.min(answer.bound, guess))
    if (all && answer.status === 'infeasible')
      return found ? finish(lower, core, answer.engine) : { kind: 'infeasible', prover: answer.engine }
    const settled = all || (found !== undefined && found.objective <= guess)
    if (settled || left() <= 0 || answer.status === 'unknown' || answer.status === 'feasible')
      return finish(proven, core, answer.engine)
    room = found ? (found.objective - lower) * (1 + 1e-9) + 1e-12 * size : room * 4
  }
}

/**
 * Computes the Lagrangian bound and the reduced costs of all undominated options, in units of the score. Names the engine that
 * proved the problem infeasible if it is.
 *
 * @param size  a typical objective above the sum of the layers' minima
 * @param feasible  a selection is known, so an engine that reports infeasibility is wrong
 */
async function relax(
  request: CoreRequest,
  undominated: Uint8Array,
  size: number,
  feasible: boolean,
  left: () => number,
) {
  const { instance, cuts, engines } = request
  const model = buildModel(instance, undominated, cuts, size)
  let multipliers = new Float64Array(model.rows.length)
  let selection: Selection | undefined
  let from = engines[0]!.name
  for (const engine of engines) {
    const answer = await engine.relax(model, Math.max(left(), 0.1))
    if (answer.status === 'infeasible') {
      if (feasible) continue
      return { infeasible: engine.name }
    }
    multipliers = Float64Array.from(answer.multipliers)
    if (answer.chosen) selection = toSelection(model, answer.chosen)
    from = engine.name
    if (answer.status === 'optimal') break
  }
  const { bound, reduced } = lagrangian(model, multipliers)
  const byOption = new Float64Array(instance.scores.length).fill(Infinity)
  for (let c = 0; c < reduced.length; c++) byOption[model.columns[c]!] = reduced[c]! / model.scale
  return { lower: model.base + bound / model.scale, base: model.base, reduced: byOption, selection, engine: from }
}

/** The best option of each layer, the first one in a tie. Undefined if a layer has no option left. */
function leastScores(instance: Instance, kept: Uint8Array): Selection | undefined {
  const selection = new Int32Array(instance.layers).fill(-1)
  for (let i = 0; i < instance.layers; i++)
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++)
      if (kept[k] && (selection[i] === -1 || instance.scores[k]! < instance.scores[selection[i]!]!)) selection[i] = k
  return selection.includes(-1) ? undefined : selection
}

/** Median of the layers' score ranges, times the number of layers: the best guess at the objective's size without a bound. */
function spread(instance: Instance, kept: Uint8Array): number {
  const spreads = Array.from({ length: instance.layers }, (_, i) => {
    let least = Infinity
    let most = -Infinity
    for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) {
      if (!kept[k]) continue
      least = Math.min(least, instance.scores[k]!)
      most = Math.max(most, instance.scores[k]!)
    }
    return most - least
  }).sort((a, b) => a - b)
  const median = spreads[Math.floor(spreads.length / 2)]!
  return (median > 0 ? median : (spreads.at(-1) ?? 0)) * instance.layers || 1
}
