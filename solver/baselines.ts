import { solveCore } from './core.js'
import { budgetGreedy, marginalGreedy } from './greedy.js'
import { isFeasible, readSelection, toInstance, total, type Instance, type Selection } from './instance.js'
import type { Engine } from './model.js'
import type { CompiledProblem, Option, Problem, Requirement } from './problem.js'
import { randomSelections } from './random.js'
import type { Baseline, BaselineName } from './result.js'
import { greedyStart } from './start.js'

const samples = 100

/** An option of which nothing is left but the parent's sub-blocks and removed ones. */
const isNoOp = (option: Option) => /^\s*(parent|no-op)(\s*[+/|,]\s*(parent|no-op))*\s*$/.test(option.id)

/**
 * What simpler methods give, on the same numbers and limits.
 *
 * @param best  objective of the best solution known, to compare with
 */
export function baselines(
  problem: CompiledProblem,
  engines: readonly Engine[],
  deadline: number,
  best: number | undefined,
): Record<BaselineName, Baseline> {
  const instance = toInstance(problem)
  const record = (selection: Selection | undefined, reason: string): Baseline =>
    selection && isFeasible(instance, selection)
      ? describe(instance, selection, total(instance.scores, selection), best)
      : { feasible: false, objective: null, reason }
  return {
    greedy: record(budgetGreedy(instance), 'its choice breaks a limit'),
    'marginal-greedy': record(marginalGreedy(instance), 'it ends with a limit broken'),
    random: random(),
    homogeneous: homogeneous(),
    'no-op': noOp(),
  }

  function random(): Baseline {
    const found = randomSelections(instance, samples, problem.seed)
    if (found.length === 0)
      return { feasible: false, objective: null, reason: `none of ${samples} samples could be repaired` }
    const sorted = found
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
    return record(feasible[0], `none of the ${tiled.length} options that every layer has holds the limits`)
  }

  function noOp(): Baseline {
    const layers = restrict(problem.layers, isNoOp)
    const part = toInstance({ layers, limits: problem.limits })
    if (part.offsets.subarray(1).some((offset, i) => offset === part.offsets[i]))
      return { feasible: false, objective: null, reason: 'a layer has no option made of parent and no-op alone' }
    const answer = solveCore({ instance: part, cuts: [], gap: 1e-3, deadline, engines, start: greedyStart(part) })
    if (answer.kind !== 'solved')
      return {
        feasible: false,
        objective: null,
        reason: answer.kind === 'infeasible' ? 'removing sub-blocks alone cannot hold the limits' : 'out of time',
      }
    return describe(part, answer.selection, answer.objective, best)
  }
}

/** The same option id in every layer, where it spans several from its last one's end on; undefined if that does not fit. */
function tile(instance: Instance, id: string): Selection | undefined {
  const selection = new Int32Array(instance.layers).fill(-1)
  for (let i = 0; i < instance.layers; i++) {
    if (selection[i] !== -1) continue
    const own = instance.places.findIndex(({ option, from, covered }) => from === i && !covered && option.id === id)
    if (own < 0) return undefined
    for (const [k, { option, from }] of instance.places.entries())
      if (from === i && option === instance.places[own]!.option) selection[instance.layerOf[k]!] = k
  }
  return selection
}

/** The layers with the options that a test admits; without those that need one that is gone. */
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
