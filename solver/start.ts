import type { CoreRequest } from './core.js'
import { budgetGreedy, marginalGreedy } from './greedy.js'
import { isFeasible, total, type Instance, type Selection } from './instance.js'
import { randomSelections } from './random.js'

/** What the marginal greedy ends with: it is taken only if it holds every limit. */
export function greedyStart(instance: Instance): CoreRequest['start'] {
  const selection = marginalGreedy(instance)
  return selection && { selection, from: 'greedy' }
}

/** A selection from simple methods that holds every limit, if one of them finds any. */
export function findStart(instance: Instance, seed: number): CoreRequest['start'] {
  const holding = (selections: readonly (Selection | undefined)[]) =>
    selections
      .filter((selection) => selection !== undefined)
      .filter((selection) => isFeasible(instance, selection))
      .sort((a, b) => total(instance.scores, a) - total(instance.scores, b))[0]
  const greedy = holding([marginalGreedy(instance), budgetGreedy(instance)])
  if (greedy) return { selection: greedy, from: 'greedy' }
  const random = holding(randomSelections(instance, 100, seed))
  return random && { selection: random, from: 'random' }
}
