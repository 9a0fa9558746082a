import { Failure, outcomeOf, type Outputs } from '../api/index.js'
import { isMap, shown } from '../errors/foreign.js'
import { isArtifactRef, isOutputName } from '../store/record.js'

/**
 * A stage's outputs, checked. The pipe to the worker would turn NaN into null.
 * @param what  the task, for messages
 * @throws Failure PluginBug or NonFinite
 */
export function checkedOutputs(what: string, outputs: unknown): Outputs {
  const { values, files } = (outputs ?? {}) as Partial<Outputs>
  if (!isMap(values) || !isMap(files))
    throw new Failure('PluginBug', `${what}: The stage did not return { values, files }`, {
      remedy: 'run() and gather() must return both; either may be empty.',
    })
  checkFinite(what, values, 'values')
  if (isMap(values.outcome) && typeof values.outcome.ok === 'boolean' && !outcomeOf(values))
    throw new Failure('PluginBug', `${what}: The stage’s output values.outcome is not a valid outcome`, {
      remedy:
        'An outcome is { ok, status, text }: status is one or two words in lower-case letters and digits, text is a sentence.',
    })
  for (const [name, ref] of Object.entries(files))
    if (!isOutputName(name))
      throw new Failure('PluginBug', `${what}: The stage’s output ${shown(name)} does not have a valid file name`, {
        remedy: 'Use a path without "..", without a slash at either end, and without control characters.',
      })
    else if (!isArtifactRef(ref))
      throw new Failure('PluginBug', `${what}: The stage’s output files.${name} is not an artifact`, {
        remedy: 'Store files with put() or putFile(), and return the references you get.',
      })
  return outputs as Outputs
}

/** @throws Failure PluginBug if a stage that only checks has outputs */
export function requireNone(what: string, { values, files }: Outputs): void {
  const [name] = [...Object.keys(values), ...Object.keys(files)]
  if (name !== undefined)
    throw new Failure('PluginBug', `${what}: The stage only checks, but returned ${shown(name)}`, {
      remedy: 'Return { values: {}, files: {} }, or leave out `checks`.',
    })
}

function checkFinite(what: string, value: unknown, at: string): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Failure('NonFinite', `${what}: The stage’s output ${at} is ${value}`, {
      remedy: 'Find out where it comes from. Use null for an unknown value.',
    })
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) checkFinite(what, item, `${at}.${key}`)
}
