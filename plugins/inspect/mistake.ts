import { Failure } from '../../api/index.js'
import type { InputProblem } from '../../spec/registry.js'

/** A failure as a mistake at a place of the inputs. */
export const problem = (
  path: readonly (string | number)[],
  code: string,
  { message, remedy }: Pick<Failure, 'message' | 'remedy'>,
): InputProblem => ({ path, code, message, ...(remedy === undefined ? {} : { hint: remedy }) })

/** The mistake that work on a place of the inputs fails with, as a sentence; none if it succeeds. */
export async function mistakesOf(
  path: InputProblem['path'],
  code: string,
  work: () => void | Promise<unknown>,
): Promise<InputProblem[]> {
  try {
    await work()
    return []
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return [problem(path, code, { message: `${error.message}.`, remedy: error.remedy })]
  }
}
