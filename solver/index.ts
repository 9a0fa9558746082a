export { solve } from './solve.js'
export type { Limit, Option, Problem } from './problem.js'
export type { Baseline, BaselineName, Infeasibility, PoolSolution, SecondOpinion, SolveResult } from './result.js'
