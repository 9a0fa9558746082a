import { findLlamaCpp, ggufCannot, ggufTokenizerCannot, layerFacts, type Model } from '../../model/index.js'
import type { InputProblem } from '../../spec/registry.js'
import {
  Failure,
  slots,
  type BlockType,
  type JsonObject,
  type LayerFacts,
  type Runs,
  type Slot,
} from '../../api/index.js'
import { anyBatches } from '../../puzzle/batches.js'
import { runVariants } from '../../puzzle/run-variants.js'
import { scenariosOf } from '../../puzzle/scenarios.js'
import type { PuzzleInputs } from './puzzle-inputs.js'

const scenarioPath = (name: string | undefined) => (name === undefined ? ['scenario'] : ['scenarios', name])

/**
 * Why children cannot be written as GGUF, where the spec asks for it: the parent itself, its tokenizer if a file is to be
 * written, entries of the space.
 * @param inputs  without other mistakes
 */
export function inspectGguf(model: Model, { target, space }: PuzzleInputs, runs: Runs): InputProblem[] {
  const served =
    target && scenariosOf(target, anyBatches(target)).find(({ scenario }) => scenario?.engine === 'llama.cpp')
  const engine = served !== undefined
  if (target?.format !== 'gguf' && !engine) return []
  const { config } = model
  const at = engine ? ['target', ...scenarioPath(served.name), 'engine'] : ['target', 'format']
  const without = engine ? '`engine: llama.cpp`' : '`format: gguf`'
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of slots) {
      const choice = config.blocks[layer]![slot]
      const cannot = ggufCannot(config, layer, slot, choice)
      if (cannot === undefined) continue
      const message = `GGUF cannot represent the parent (layer ${layer}, ${slot} ${choice.block}): ${cannot}`
      return [{ path: at, code: 'not-in-gguf', message, hint: `Remove ${without}.` }]
    }
  if (target?.format === 'gguf') {
    const cannot = ggufTokenizerCannot(model)
    const hint = `Remove \`format: gguf\`: \`npx puzzleflow export MODEL --format gguf --token-ids\` writes a child whose tokens are numbers.`
    if (cannot !== undefined) return [{ path: ['target', 'format'], code: 'not-in-gguf', message: `${cannot}.`, hint }]
  }
  const unmeasured = engine ? engineCannot(model) : undefined
  if (unmeasured) return [{ path: at, ...unmeasured }]
  const hint = `Remove the entry, or ${without} under \`target\`.`
  const problems: InputProblem[] = []
  const report = (path: InputProblem['path'], name: string, layer: number, cannot: string) =>
    problems.push({
      path,
      code: 'not-in-gguf',
      message: `GGUF cannot represent ${name} (layer ${layer}): ${cannot}`,
      hint,
    })
  for (const slot of slots)
    for (const [i, entry] of space[slot].entries()) {
      const obstacle = entryCannot(model, slot, typeof entry === 'string' ? { block: entry } : entry)
      if (obstacle) report(['space', slot, i], obstacle.name, obstacle.layer, obstacle.cannot)
    }
  for (const [i, entry] of (space.runs ?? []).entries()) {
    const obstacle = runCannot(model, entry, runs)
    if (obstacle) report(['space', 'runs', i], obstacle.name, obstacle.layer, obstacle.cannot)
  }
  return problems
}

/** Why blocks of a model cannot be measured in llama.cpp. */
function engineCannot({ config }: Model): Omit<InputProblem, 'path'> | undefined {
  // A block is measured in models that have nothing else.
  const alone = ggufCannot(config, 0, 'attention', { block: 'no-op', params: {} })
  if (alone !== undefined)
    return {
      code: 'not-in-gguf',
      message: `llama.cpp cannot run models of single blocks of this parent: ${alone}`,
      hint: 'Remove `engine: llama.cpp`: puzzleflow then measures the blocks itself.',
    }
  try {
    findLlamaCpp()
    return undefined
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { message, remedy } = error
    return { code: 'no-engine', message: `${message}.`, ...(remedy === undefined ? {} : { hint: remedy }) }
  }
}

interface Found {
  readonly name: string
  readonly layer: number
  readonly cannot: string
}

/** The first variant of an entry that GGUF cannot represent. */
function entryCannot({ config, blocks }: Model, slot: Slot, entry: JsonObject): Found | undefined {
  if (entry.block === 'parent') return undefined
  const type = blocks.get(slot, entry.block as string)
  for (let layer = 0; layer < config.layers; layer++)
    for (const params of variantsAt(type, layerFacts(config, layer), entry)) {
      const cannot = ggufCannot(config, layer, slot, { block: type.name, params })
      if (cannot !== undefined) return { name: type.id(params), layer, cannot }
    }
  return undefined
}

/** The variants of an entry; none where the layer cannot have them, as long as some other can. */
function variantsAt(type: BlockType, facts: LayerFacts, entry: JsonObject): JsonObject[] {
  try {
    return [...type.variants(facts, entry)]
  } catch (error) {
    if (error instanceof Failure) return []
    throw error
  }
}

/** The first layer of a run's variants that GGUF cannot represent. Layers that are removed entirely do not count. */
function runCannot(model: Model, entry: JsonObject, runs: Runs): Found | undefined {
  const { config } = model
  for (const { layer, id, slots: own } of runVariants(model, { runs: [entry] }, runs)) {
    if (own.attention.empty && own.ffn.empty) continue
    for (const slot of slots) {
      const { block, params } = own[slot]
      const cannot = ggufCannot(config, layer, slot, { block, params })
      if (cannot !== undefined) return { name: id, layer, cannot }
    }
  }
  return undefined
}
