import { solveCore } from './core.js'
import { isFeasible, readSelection, toInstance, total, type Instance, type Selection } from './instance.js'
import type { Place } from './links.js'
import type { Engine } from './model.js'
import type { CompiledProblem, Option, Problem, Requirement } from './problem.js'
import { randomSelections } from './random.js'
import type { Baseline, BaselineName } from './result.js'
import { greedyStart, type SimpleSelections } from './start.js'

const samples = 100

/** Whether an option consists of the parent's sub-blocks and removed ones only. */
const isNoOp = (option: Option) => /^\s*(parent|no-op)(\s*[+/|,]\s*(parent|no-op))*\s*$/.test(option.id)

/**
 * Solves the problem with simpler methods, under the same scores, costs and limits.
 *
 * @param simple  what the greedy methods chose
 * @param best  objective of the best known solution, for comparison
 */
export async function baselines(
  problem: CompiledProblem,
  instance: Instance,
  simple: SimpleSelections,
  engines: readonly Engine[],
  deadline: number,
  best: number | undefined,
): Promise<Record<BaselineName, Baseline>> {
  const record = (selection: Selection | undefined, reason: string): Baseline =>
    selection && isFeasible(instance, selection)
      ? describe(instance, selection, total(instance.scores, selection), best)
      : { feasible: false, objective: null, reason }
  return {
    greedy: record(simple.budget, 'its selection exceeds a limit'),
    'marginal-greedy': record(simple.marginal, 'it stops while a limit is still exceeded'),
    random: random(),
    homogeneous: homogeneous(),
    'no-op': await noOp(),
  }

  function random(): Baseline {
    const selections = randomSelections(instance, samples, problem.seed)
    if (selections.length === 0)
      return {
        feasible: false,
        objective: null,
        reason: `none of the ${samples} samples could be repaired to meet the limits`,
      }
    const sorted = selections
      .map((selection) => ({ selection, objective: total(instance.scores, selection) }))
      .sort((a, b) => a.objective - b.objective)
    const median = sorted[Math.floor((sorted.length - 1) / 2)]!
    return {
      ...describe(instance, median.selection, median.objective, best),
      samples: { count: sorted.length, minimum: sorted[0]!.objective, maximum: sorted.at(-1)!.objective },
    }
  }

  function homogeneous(): Baseline {
    const ids = [...new Set(problem.layers[0]!.options.map((option) => option.id))]
    const tiled = ids.flatMap((id) => tile(instance, id) ?? [])
    if (tiled.length === 0) return { feasible: false, objective: null, reason: 'no option id occurs in every layer' }
    const feasible = tiled
      .filter((selection) => isFeasible(instance, selection))
      .sort((a, b) => total(instance.scores, a) - total(instance.scores, b))
    return record(feasible[0], `none of the ${tiled.length} options that every layer offers meets the limits`)
  }

  async function noOp(): Promise<Baseline> {
    const layers = restrict(problem.layers, isNoOp)
    const reduced = toInstance({ layers, limits: problem.limits })
    if (reduced.offsets.subarray(1).some((offset, i) => offset === reduced.offsets[i]))
      return {
        feasible: false,
        objective: null,
        reason: 'a layer has no option that consists of parent and no-op only',
      }
    const answer = await solveCore({
      instance: reduced,
      cuts: [],
      gap: 1e-3,
      deadline,
      engines,
      start: greedyStart(reduced),
    })
    if (answer.kind !== 'solved')
      return {
        feasible: false,
        objective: null,
        reason:
          answer.kind === 'infeasible' ? 'removing sub-blocks is not enough to meet the limits' : 'it ran out of time',
      }
    return describe(reduced, answer.selection, answer.objective, best)
  }
}

/** Chooses one option id in every layer; runs are laid end to end. Undefined if a layer lacks the id. */
function tile(instance: Instance, id: string): Selection | undefined {
  const selection = new Int32Array(instance.layers).fill(-1)
  for (let i = 0; i < instance.layers; i++) {
    if (selection[i] !== -1) continue
    let index = instance.offsets[i]!
    while (index < instance.offsets[i + 1]! && !starts(instance.places[index]!, id)) index++
    if (index === instance.offsets[i + 1]) return undefined
    selection[i] = index
    for (const k of instance.links.needs.get(index) ?? [])
      if (instance.places[k]!.option === instance.places[index]!.option) selection[instance.layerOf[k]!] = k
  }
  return selection
}

/** Whether a place is the first of an option with an id. */
const starts = ({ option, covered }: Place, id: string) => !covered && option.id === id

/** Keeps the options that a predicate admits, without those that require a removed one. */
function restrict(layers: Problem['layers'], admits: (option: Option) => boolean): Problem['layers'] {
  let kept = layers.map(({ options }) => ({ options: options.filter(admits) }))
  for (;;) {
    const has = ({ layer, option }: Requirement) => kept[layer]!.options.some(({ id }) => id === option)
    const next = kept.map(({ options }) => ({ options: options.filter(({ requires }) => (requires ?? []).every(has)) }))
    if (next.every(({ options }, i) => options.length === kept[i]!.options.length)) return kept
    kept = next
  }
}

function describe(instance: Instance, selection: Selection, objective: number, best: number | undefined) {
  const excess = best !== undefined && best !== 0 ? { excess: (objective - best) / Math.abs(best) } : {}
  return { feasible: true as const, objective, ...excess, ...readSelection(instance, selection) }
}
