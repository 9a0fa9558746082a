import { Failure, outcomeOf, type Outputs } from '../api/index.js'

/**
 * What a stage has left, if it is what stages leave. The pipe to the worker would make null of NaN.
 * @param what  the task, for messages
 * @throws Failure PluginBug or NonFinite
 */
export function checkedOutputs(what: string, outputs: unknown): Outputs {
  const { values, files } = (outputs ?? {}) as Partial<Outputs>
  if (!isMap(values) || !isMap(files))
    throw new Failure('PluginBug', `${what}: The stage returned no { values, files }`, {
      remedy: 'A stage’s run() and gather() return both, empty where there is nothing.',
    })
  checkFinite(what, values, 'values')
  if (isMap(values.outcome) && typeof values.outcome.ok === 'boolean' && !outcomeOf(values))
    throw new Failure('PluginBug', `${what}: The stage’s output values.outcome is no outcome of a run`, {
      remedy:
        'An outcome is { ok, status, text }: status a word or two of small letters and digits, text a sentence for people.',
    })
  for (const [name, ref] of Object.entries(files))
    if (!isMap(ref) || typeof ref.digest !== 'string')
      throw new Failure('PluginBug', `${what}: The stage’s output files.${name} is no artifact`, {
        remedy: 'Store files with put() or putFile(), and return what they give.',
      })
  return outputs as Outputs
}

function checkFinite(what: string, value: unknown, at: string): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Failure('NonFinite', `${what}: The stage’s output ${at} is ${value}`, {
      remedy: 'Look for where it comes from; what is not known can be null.',
    })
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) checkFinite(what, item, `${at}.${key}`)
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
