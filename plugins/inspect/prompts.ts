import type { Model } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import { encodePrompts } from '../../data/prompts.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import type { InputProblem } from '../../spec/registry.js'

/** Mistakes in the files of prompts that parent and child are to continue, which a search would meet in one of its last stages. */
export async function inspectPrompts(
  stages: readonly Pick<PlannedStage, 'name' | 'uses' | 'params'>[],
  parent: Pick<Model, 'folder' | 'config'>,
): Promise<InputProblem[]> {
  const problems: InputProblem[] = []
  for (const { name, uses, params } of stages) {
    if (uses !== 'evaluate' || typeof params.prompts !== 'string') continue
    try {
      await encodePrompts(params.prompts, parent)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const { message, remedy } = error
      const hint = remedy === undefined ? {} : { hint: remedy }
      problems.push({ path: ['stages', name, 'prompts'], code: 'bad-prompts', message: `${message}.`, ...hint })
    }
  }
  return problems
}
