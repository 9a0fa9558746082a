import type { SolveResult } from '../solver/index.js'
import type { Composition } from './score-row.js'
import type { Solution } from './selection-problem.js'

/** The results of `solve` for later stages. */
export interface SolveOutcome extends Omit<SolveResult, 'solutions'> {
  readonly composition: Composition
  readonly solutions: readonly Solution[]
  readonly proofs: readonly {
    readonly objective: number
    readonly bound: number
    readonly gap: number
    readonly seconds: number
  }[]
}
