import { solve, type Problem, type SolveResult } from '../solver/index.js'
import { unmetAt, type UnmetAt } from './infeasible-batches.js'
import { bounds } from './limits.js'
import { yardsOf } from './loads.js'
import { toSolution, type ProblemParts, type Solution } from './selection-problem.js'

/** The selection problem at one of the batches that the search may choose from, and what the solver made of it. */
export interface SolvedAt {
  readonly parts: ProblemParts
  readonly problem: Problem
  readonly result: SolveResult
  /** Best first; none if it is infeasible, or time ran out. */
  readonly solutions: readonly Solution[]
}

/** Solves the problem at each batch, one after the other. @param all  one for each batch */
export async function solveAtEach(
  all: readonly ProblemParts[],
  problemOf: (parts: ProblemParts) => Problem,
): Promise<readonly SolvedAt[]> {
  const solved: SolvedAt[] = []
  for (const parts of all) {
    const problem = problemOf(parts)
    const result = await solve(problem)
    const solutions = result.solutions.map(({ choice, objective }) => toSolution(parts, choice, objective))
    solved.push({ parts, problem, result, solutions })
  }
  return solved
}

/** Sums of the same scores may differ by the rounding errors of their order. */
const rounding = 1e-9

/** The batch whose best solution loses least; of equals, the one that generates most tokens/s as predicted.
 *  @returns undefined if no batch has a solution */
export function bestBatch(all: readonly SolvedAt[]): SolvedAt | undefined {
  return all.reduce<SolvedAt | undefined>((best, own) => {
    const [a, b] = [best?.solutions[0], own.solutions[0]]
    if (!a || !b) return a ? best : b ? own : undefined
    const less = a.objective - b.objective
    if (Math.abs(less) > rounding * Math.max(Math.abs(a.objective), Math.abs(b.objective))) return less > 0 ? own : best
    return b.predicted.throughput > a.predicted.throughput ? own : best
  }, undefined)
}

/** Whether it is proven that no batch has a solution. */
export const noneFeasible = (all: readonly SolvedAt[]): boolean =>
  all.every(({ result }) => result.status === 'infeasible')

/** Why the problem has no solution at a batch, in terms of its limits and rules. */
export function unmetBy({ parts, result }: SolvedAt): UnmetAt {
  const yards = yardsOf(parts, parts.parent)
  return unmetAt(bounds(parts.limits, yards), parts.rules ?? [], yards, result.infeasible)
}
