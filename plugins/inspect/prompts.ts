import type { Model } from '../../model/index.js'
import { encodePrompts } from '../../data/prompts.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import type { InputProblem } from '../../spec/registry.js'
import { mistakesOf } from './mistake.js'

/** Mistakes in the files of prompts that parent and child are to continue, which a search would meet in one of its last stages. */
export async function inspectPrompts(
  stages: readonly Pick<PlannedStage, 'name' | 'uses' | 'params'>[],
  parent: Pick<Model, 'folder' | 'config'>,
): Promise<InputProblem[]> {
  const problems: InputProblem[] = []
  for (const { name, uses, params } of stages) {
    const { prompts } = params
    if (uses !== 'evaluate' || typeof prompts !== 'string') continue
    problems.push(
      ...(await mistakesOf(['stages', name, 'prompts'], 'bad-prompts', () => encodePrompts(prompts, parent))),
    )
  }
  return problems
}
