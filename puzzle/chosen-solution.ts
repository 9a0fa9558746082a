import type { Environment } from '../api/index.js'
import type { RefineOutputs, SelectOutputs, SolveOutputs } from './hand-over.js'
import { readJson } from './library.js'
import type { Solution } from './selection-problem.js'

/** Stages that choose children: the first of them that is there decides. */
export interface ChoosingStages {
  readonly select?: SelectOutputs
  readonly refine?: RefineOutputs
  /** Needed unless there is `select`. */
  readonly solve?: SolveOutputs
}

/** Reads the solution that was selected by measurement; without `select`, the best by prediction. */
export async function chosenSolution({
  stages: { select, refine, solve },
  ...context
}: Pick<Environment, 'open'> & { readonly stages: ChoosingStages }): Promise<Solution> {
  if (select) return readJson(context, select.files.selected)
  const { solutions } = await readJson(context, refine?.files.solutions ?? solve!.files.solutions)
  return solutions[0]!
}
