import { dataNotes } from '../plugins/inspect/data-notes.js'
import { compileSpec } from '../spec/plan.js'
import { registryFor } from './compiled-spec.js'
import type { SpecOptions } from './options.js'
import type { Checked } from './remembered-validation.js'

/** Checks a spec, and what it names. */
export async function checkSpec(file: string, options: SpecOptions): Promise<Checked> {
  const { plan, diagnostics, read = [] } = await compileSpec(file, registryFor(options), options.set)
  if (!plan) return { found: { diagnostics, notes: [] } }
  const { digest, stages, plugins, inputs } = plan
  const found = { diagnostics, notes: await dataNotes(plan), plan: { digest, stages: stages.length } }
  // What is installed besides puzzleflow decides on these.
  const depends = plugins.length > 0 || stages.some(({ uses }) => uses === 'command') || usesLlamaCpp(inputs)
  return { found, ...(!depends && { read }) }
}

const usesLlamaCpp = (inputs: object) => JSON.stringify(inputs).includes('"engine":"llama.cpp"')
