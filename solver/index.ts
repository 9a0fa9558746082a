export type { Limit, Option, Problem } from './problem.js'
export { readProblem } from './read-problem.js'
export {
  baselineNames,
  type Baseline,
  type BaselineName,
  type EngineName,
  type Finder,
  type Infeasibility,
  type PoolSolution,
  type SecondOpinion,
  type SolveResult,
  type UnmetLimit,
} from './result.js'
export { solve, type SolveOptions } from './solve.js'
export { solveHere } from './solve-here.js'
