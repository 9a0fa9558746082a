import { Failure, type JsonObject, type Stage } from '../api/index.js'
import { stageParams } from '../lineage/keys.js'
import { findExpressions } from '../spec/expressions.js'
import type { PlannedStage } from '../spec/frozen-plan.js'
import { asWritten } from '../spec/programs.js'
import { checkValue } from '../spec/validate.js'

/**
 * Parameters of a stage with the values that its expressions stand for. Those are checked as what a spec writes is.
 * @throws Failure InvalidInput if the stage cannot have such a value
 */
export function resolvedParams(
  planned: PlannedStage,
  { parameters }: Pick<Stage, 'parameters'>,
  outputs: Parameters<typeof stageParams>[1],
): JsonObject {
  const params = stageParams(planned, outputs)
  if (findExpressions(planned.params).length === 0) return params
  const { data, findings } = checkValue(
    parameters,
    asWritten(parameters, params),
    planned.name,
    `stage type ${planned.uses}`,
  )
  if (findings.length > 0)
    throw new Failure(
      'InvalidInput',
      findings
        .map(({ message }) => message)
        .join(' ')
        .replace(/\.$/, ''),
      {
        remedy: 'The value comes from an expression: check the outputs of the stage that it names.',
      },
    )
  // What the plan does not say stays unsaid: keys depend on it. What it has frozen of a program stays.
  const frozen = 'program' in parameters ? { program: params.program!, sources: params.sources! } : {}
  return { ...Object.fromEntries(Object.keys(params).map((key) => [key, data[key]!])), ...frozen }
}
