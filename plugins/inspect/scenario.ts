import { cacheProblem, type ModelConfig, type Scenario } from '../../model/index.js'
import { anyBatches, batchChoices } from '../../puzzle/batches.js'
import { quantisedHeads } from '../../puzzle/heads.js'
import type { Limit } from '../../puzzle/limit.js'
import { limitsOf, scenariosOf } from '../../puzzle/scenarios.js'
import type { InputProblem } from '../../spec/registry.js'
import { processors } from '../../tensor/processors.js'
import type { PuzzleInputs } from './puzzle-inputs.js'

/** A scenario of the spec, and where it stands. */
interface Placed {
  readonly scenario: Scenario
  readonly limits: readonly Limit[]
  readonly path: InputProblem['path']
  readonly limitsPath: InputProblem['path']
}

/** Oddities and mistakes of the scenarios that their schema cannot tell. */
export function inspectScenarios({ target, space }: PuzzleInputs, config: ModelConfig): InputProblem[] {
  if (!target) return []
  const twice = beside(target)
  if (twice.length > 0) return twice
  const limits = limitsOf(target)
  // What is asked here is the same at every batch.
  const ofEach = scenariosOf(target, anyBatches(target))
    .map(({ name, scenario }): Placed => {
      if (name === undefined)
        return { scenario, limits, path: ['target', 'scenario'], limitsPath: ['target', 'limits'] }
      const path = ['target', 'scenarios', name]
      return {
        scenario,
        limits: limits.filter((own) => own.scenario?.name === name),
        path,
        limitsPath: [...path, 'limits'],
      }
    })
    .flatMap((placed) => [
      ...beyondPositions(placed, config),
      ...nothingDecoded(placed),
      ...noSuchCache(placed, config),
      ...noSuchHead(placed, space),
    ])
  return [...moreThreads(target), ...ofEach]
}

/** Threads that take turns on a processor are no faster, and times depend on whose turn it is. Workers may have more processors. */
function moreThreads({ threads = 1 }: NonNullable<PuzzleInputs['target']>): InputProblem[] {
  const here = processors()
  if (threads <= here) return []
  const message = `The child is served with ${threads} threads, but this machine has ${here === 1 ? 'one processor' : `${here} processors`} to use: threads that take turns are slow, and times measured so are imprecise.`
  const hint = `write at most ${here}, or measure on workers that have as many`
  return [{ path: ['target', 'threads'], code: 'more-threads', message, hint, severity: 'warning' }]
}

/** llama.cpp would measure the head of the file, which is the parent's. */
function noSuchHead({ scenario, path }: Placed, space: PuzzleInputs['space']): InputProblem[] {
  if (scenario.engine !== 'llama.cpp' || !space || quantisedHeads(space).length === 0) return []
  const message = 'Heads in 8 or 4 bits can only be measured in puzzleflow, but this scenario is measured in llama.cpp.'
  const hint = 'leave `space.head` out; `export.ggufDtype: q8_0` writes the whole file in 8 bits'
  return [{ path: [...path, 'engine'], code: 'no-such-head', message, hint }]
}

/** What cannot stand beside `target.scenarios`, or beside several batches. */
function beside(target: NonNullable<PuzzleInputs['target']>): InputProblem[] {
  const { scenario, scenarios, limits = {}, profile } = target
  if (!scenarios) return profile !== undefined && batchChoices(target) ? [profileBesideBatches] : []
  const problem = (key: string, message: string, hint: string): InputProblem => ({
    ...{ path: ['target', key], code: 'beside-scenarios', message, hint },
  })
  return [
    ...(scenario
      ? [problem('scenario', 'The target has both scenario and scenarios.', 'make it one of `scenarios`, with a name')]
      : []),
    ...(Object.keys(limits).length > 0
      ? [
          problem(
            'limits',
            'With several scenarios, each has its own limits.',
            'write them under the scenario that they apply to',
          ),
        ]
      : []),
    ...(profile !== undefined
      ? [
          problem(
            'profile',
            'A cost table is for one scenario, but the target has several.',
            'leave it out: costs are measured',
          ),
        ]
      : []),
  ]
}

const profileBesideBatches: InputProblem = {
  ...{ path: ['target', 'profile'], code: 'beside-batches' },
  message: 'A cost table is for one batch, but the scenario leaves the batch to the search.',
  hint: 'leave it out: costs are measured; or write the batch of the table',
}

/** A scenario longer than the model's positions is measured all the same: the text it generates there does not matter. */
function beyondPositions({ scenario, path }: Placed, { maxPositions }: ModelConfig): InputProblem[] {
  const { prefill, generate } = scenario
  if (prefill + generate <= maxPositions) return []
  const message = `The scenario has ${prefill + generate} positions, but the model has only ${maxPositions}: it is measured, but text generated beyond them makes no sense.`
  const hint = `prefill and generate together should be at most ${maxPositions}`
  return [{ path, code: 'beyond-positions', message, hint, severity: 'warning' }]
}

/** The first token comes from prefill. */
function nothingDecoded({ scenario, limits, limitsPath }: Placed): InputProblem[] {
  if (scenario.generate > 1 || !limits.some(({ name }) => name === 'tokenLatency')) return []
  const message = 'The scenario generates one token, which prefill returns: there is no time between tokens to limit.'
  const hint = 'limit prefill instead, or let the scenario generate more tokens'
  return [{ path: [...limitsPath, 'tokenLatency'], code: 'nothing-decoded', message, hint }]
}

/** A cache that the engine does not have would only be counted. */
function noSuchCache({ scenario, path }: Placed, { headDim }: ModelConfig): InputProblem[] {
  const at = { path: [...path, 'cache'], code: 'no-such-cache' }
  const problem = cacheProblem(scenario)
  if (problem !== undefined)
    return [{ ...at, message: `${problem}.`, hint: 'add `engine: llama.cpp`, or choose float16 or bfloat16' }]
  if (scenario.cache !== 'int8' || headDim % 32 === 0) return []
  const message = `llama.cpp holds caches of 8-bit integers in blocks of 32, and the model's heads have ${headDim} dimensions.`
  return [{ ...at, message, hint: 'choose float16 or bfloat16' }]
}
