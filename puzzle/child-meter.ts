import type { Environment, Running } from '../api/index.js'
import type { Model } from '../model/index.js'
import {
  evaluatePair,
  examineParent,
  openYardstick,
  withPredictions,
  type Evaluation,
  type Thoroughness,
} from './evaluation.js'
import type { PrepareOutputs } from './hand-over.js'
import { scenariosIn } from './loads.js'
import { predictedSpeeds } from './predicted-speeds.js'
import type { ProblemParts, Solution } from './selection-problem.js'
import type { TimingParams } from './speed.js'

/** Measures a child on validation data and times it against its parent. */
type ChildMeter = (
  child: Model,
  solution: Solution,
  progress?: (fraction: number, message: string) => void,
) => Promise<Evaluation>

/** Returns a meter for children of a parent. Text is read, and the parent examined, when the first child is measured. */
export function childMeter(
  context: Pick<Environment, 'open'> & Pick<Running, 'threads'>,
  parent: Model,
  parts: ProblemParts,
  prepared: PrepareOutputs['files'],
  params: Thoroughness & TimingParams,
): ChildMeter {
  let opened: ReturnType<typeof openYardstick> | undefined
  return async (child, solution, progress) => {
    const yardstick = await (opened ??= openYardstick(context, parent, prepared, scenariosIn(parts), params))
    const evaluation = await evaluatePair(yardstick, await examineParent(yardstick), child, params, progress)
    return withPredictions(evaluation, predictedSpeeds(parts, solution))
  }
}
