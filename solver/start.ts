import type { CoreRequest } from './core.js'
import { budgetGreedy, marginalGreedy } from './greedy.js'
import { isFeasible, total, type Instance, type Selection } from './instance.js'
import { randomSelections } from './random.js'

/** What the simple methods chose. Selections of the greedy ones may exceed limits. */
export interface SimpleSelections {
  readonly budget: Selection | undefined
  readonly marginal: Selection | undefined
}

/** Runs the greedy methods. */
export const greedySelections = (instance: Instance): SimpleSelections => ({
  budget: budgetGreedy(instance),
  marginal: marginalGreedy(instance),
})

/** The result of the marginal greedy method. The core method ignores it if it exceeds a limit. */
export function greedyStart(instance: Instance): CoreRequest['start'] {
  const selection = marginalGreedy(instance)
  return selection && { selection, from: 'greedy' }
}

/** The best selection of the simple methods that meets every limit, if there is one. */
export function findStart(
  instance: Instance,
  { budget, marginal }: SimpleSelections,
  seed: number,
): CoreRequest['start'] {
  const bestFeasible = (selections: readonly (Selection | undefined)[]) =>
    selections
      .filter((selection) => selection !== undefined)
      .filter((selection) => isFeasible(instance, selection))
      .sort((a, b) => total(instance.scores, a) - total(instance.scores, b))[0]
  const greedy = bestFeasible([marginal, budget])
  if (greedy) return { selection: greedy, from: 'greedy' }
  const random = bestFeasible(randomSelections(instance, 100, seed))
  return random && { selection: random, from: 'random' }
}
