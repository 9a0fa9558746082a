import type { SolveResult } from '../solver/index.js'
import type { WeightKind } from '../api/weights.js'
import type { HeadWeights } from '../model/index.js'
import type { Batches } from './batches.js'
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
  /** Absent where the target says which batch it is. */
  readonly batches?: BatchChoice
  /** Type of the children's head; absent if it is the parent's. */
  readonly head?: HeadWeights
  /** What the heads that the space lists would have given; absent if there is no choice. */
  readonly heads?: readonly ConsideredHead[]
}

/** What a head would have given, and at which batch where that is a choice. */
export type ConsideredHead = ConsideredBatch & { readonly head: WeightKind }

/** The batches that were chosen for child and parent, and those of which they were chosen. */
export interface BatchChoice extends Batches {
  /** Whether the parent's memory meets an absolute limit at its batch. It does at no batch if not. */
  readonly parentFits: boolean
  readonly considered: readonly ConsideredBatch[]
}

/** What a batch would have given. */
export type ConsideredBatch =
  | {
      readonly batch: number
      /** Of the best solution: what it loses, and tokens/s and bytes as predicted. */
      readonly objective: number
      readonly throughput: number
      readonly memoryBytes: number
    }
  | {
      readonly batch: number
      /** Why it gives no solution. */
      readonly reason: string
    }
