import { solveCore } from './core.js'
import { budgetGreedy, marginalGreedy } from './greedy.js'
import { toInstance, total, withinLimits, type Selection } from './instance.js'
import type { Engine } from './model.js'
import type { CompiledProblem, Option } from './problem.js'
import { randomSelections } from './random.js'
import type { Baseline, BaselineName } from './result.js'

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
    selection && withinLimits(instance, selection)
      ? describe(problem, selection, total(instance.scores, selection), best)
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
      ...describe(problem, median.selection, median.objective, best),
      samples: { count: sorted.length, minimum: sorted[0]!.objective, maximum: sorted.at(-1)!.objective },
    }
  }

  function homogeneous(): Baseline {
    const positions = problem.layers.map((layer) => new Map(layer.options.map((option, j) => [option.id, j])))
    const common = problem.layers[0]!.options.map((option) => option.id).filter((id) =>
      positions.every((p) => p.has(id)),
    )
    if (common.length === 0) return { feasible: false, objective: null, reason: 'no option id occurs in every layer' }
    const feasible = common
      .map((id) => Int32Array.from(positions, (position, i) => instance.offsets[i]! + position.get(id)!))
      .filter((selection) => withinLimits(instance, selection))
      .sort((a, b) => total(instance.scores, a) - total(instance.scores, b))
    return record(feasible[0], `none of the ${common.length} options that every layer has holds the limits`)
  }

  function noOp(): Baseline {
    const layers = problem.layers.map((layer) => ({ options: layer.options.filter(isNoOp) }))
    if (layers.some((layer) => layer.options.length === 0))
      return { feasible: false, objective: null, reason: 'a layer has no option made of parent and no-op alone' }
    const part = toInstance({ layers, limits: problem.limits })
    const start = { selection: marginalGreedy(part), from: 'greedy' } as const
    const answer = solveCore({ instance: part, cuts: [], gap: 1e-3, deadline, engines, start })
    if (answer.kind !== 'solved')
      return {
        feasible: false,
        objective: null,
        reason: answer.kind === 'infeasible' ? 'removing sub-blocks alone cannot hold the limits' : 'out of time',
      }
    return describe({ ...problem, layers }, answer.selection, answer.objective, best)
  }
}

/** Option ids and summed costs of a selection. */
export function readSelection(problem: Pick<CompiledProblem, 'layers'>, selection: Selection) {
  const options = problem.layers.flatMap((layer) => layer.options)
  const chosen = Array.from(selection, (k) => options[k]!)
  const names = Object.keys(options[0]!.costs).filter((name) => options.every((option) => name in option.costs))
  return {
    choice: chosen.map((option) => option.id),
    costs: Object.fromEntries(
      names.map((name) => [name, chosen.reduce((sum, option) => sum + option.costs[name]!, 0)]),
    ),
  }
}

function describe(
  problem: Pick<CompiledProblem, 'layers'>,
  selection: Selection,
  objective: number,
  best: number | undefined,
) {
  const excess = best !== undefined && best !== 0 ? { excess: (objective - best) / Math.abs(best) } : {}
  return { feasible: true as const, objective, ...excess, ...readSelection(problem, selection) }
}
