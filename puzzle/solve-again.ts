import { solve } from '../solver/index.js'
import type { Correction } from './correction.js'
import { makeProblem, toSolution, type ProblemParts, type Solution } from './selection-problem.js'

/** Solves the selection problem once more, for one solution under corrected limits. @returns undefined if nothing meets them */
export async function solveAgain(
  parts: ProblemParts,
  correction: Correction,
  seed: number,
): Promise<Solution | undefined> {
  const problem = makeProblem(parts, { solutions: 1, minimumDifference: 0, gap: 1e-4, seed }, correction)
  const [best] = (await solve(problem)).solutions
  return best && toSolution(parts, best.choice, best.objective)
}
