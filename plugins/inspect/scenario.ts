import { cacheProblem, type ModelConfig } from '../../model/index.js'
import type { InputProblem } from '../../spec/registry.js'
import type { PuzzleInputs } from './puzzle-inputs.js'

/** Oddities and mistakes of the scenario that its schema cannot tell. */
export function inspectScenario({ target }: PuzzleInputs, config: ModelConfig): InputProblem[] {
  if (!target) return []
  return [...beyondPositions(target.scenario, config), ...nothingDecoded(target), ...noSuchCache(target, config)]
}

type Target = NonNullable<PuzzleInputs['target']>

/** A scenario longer than the model's positions is measured all the same: the text it generates there does not matter. */
function beyondPositions({ prefill, generate }: Target['scenario'], { maxPositions }: ModelConfig): InputProblem[] {
  if (prefill + generate <= maxPositions) return []
  const message = `The scenario has ${prefill + generate} positions, but the model has only ${maxPositions}: it is measured, but text generated beyond them makes no sense.`
  const hint = `prefill and generate together should be at most ${maxPositions}`
  return [{ path: ['target', 'scenario'], code: 'beyond-positions', message, hint, severity: 'warning' }]
}

/** The first token comes from prefill. */
function nothingDecoded({ scenario, limits = {} }: Target): InputProblem[] {
  if (scenario.generate > 1 || !limits.tokenLatency) return []
  const message = 'The scenario generates one token, which prefill returns: there is no time between tokens to limit.'
  const hint = 'limit prefill instead, or let the scenario generate more tokens'
  return [{ path: ['target', 'limits', 'tokenLatency'], code: 'nothing-decoded', message, hint }]
}

/** A cache that the engine does not have would only be counted. */
function noSuchCache({ scenario }: Target, { headDim }: ModelConfig): InputProblem[] {
  const at = { path: ['target', 'scenario', 'cache'], code: 'no-such-cache' }
  const problem = cacheProblem(scenario)
  if (problem !== undefined)
    return [{ ...at, message: `${problem}.`, hint: 'add `engine: llama.cpp`, or choose float16 or bfloat16' }]
  if (scenario.cache !== 'int8' || headDim % 32 === 0) return []
  const message = `llama.cpp holds caches of 8-bit integers in blocks of 32, and the model's heads have ${headDim} dimensions.`
  return [{ ...at, message, hint: 'choose float16 or bfloat16' }]
}
