import { layerFacts, type Model } from '../../model/index.js'
import type { BlockChoice, JsonObject, RunLayer, RunType, Slot, Weights } from '../api/index.js'
import { runType } from '../runs/index.js'
import { entryId, layerName, ownVariant, type LibraryEntry } from './library.js'

/** A way to replace the layers from one on. */
export interface RunVariant {
  /** Run type and length: `fuse-ffn-2`. */
  readonly id: string
  readonly type: RunType
  readonly params: JsonObject
  readonly layer: number
  readonly span: number
  /** What the first layer becomes: library entries without their evidence. An empty slot is the block `no-op`. */
  readonly slots: Readonly<Record<Slot, RunSlot>>
}

interface RunSlot extends BlockChoice {
  /** Id of the library entry. */
  readonly entry: string
  readonly variant: string
  readonly empty: boolean
}

/** A run as parameters of a task. */
export interface RunTask {
  readonly name: string
  readonly version: number
  readonly params: JsonObject
  readonly span: number
}

const nothing: BlockChoice = { block: 'no-op', params: {} }

/** All replacements of runs that the space asks for, by their first layer. */
export function runVariants(model: Model, space: JsonObject): RunVariant[] {
  const { config } = model
  return ((space.runs ?? []) as readonly JsonObject[]).flatMap(({ run: name, ...entry }) => {
    const type = runType(name as string)
    return [...type.variants(config.layers, entry)].flatMap((params) => {
      const span = type.span(params)
      const starts = Array.from({ length: Math.max(0, config.layers - span + 1) }, (_, layer) => layer)
      return starts.flatMap((layer): RunVariant[] => {
        const blocks = type.blocks(layersOf(model, layer, span), params)
        if (!blocks) return []
        const id = type.id(params)
        const slot = (name: Slot): RunSlot => {
          const choice = blocks[name] ?? nothing
          const own = model.blocks.get(name, choice.block)
          const empty = own.empty === true
          const parents = config.blocks[layer]![name]
          const same = parents.block === choice.block && own.id(parents.params) === own.id(choice.params)
          // By what it is, not by where it comes from: blocks that are alike cost the same.
          const variant = same ? ownVariant(model, layer, name) : own.id(choice.params)
          return { ...choice, variant, empty, entry: entryId(layer, name, variant, empty ? 'parent' : id) }
        }
        return [{ id, type, params, layer, span, slots: { attention: slot('attention'), ffn: slot('ffn') } }]
      })
    })
  })
}

const layersOf = ({ config }: Model, layer: number, span: number): RunLayer[] =>
  Array.from({ length: span }, (_, i) => ({
    facts: layerFacts(config, layer + i),
    ...config.blocks[layer + i]!,
  }))

/** Training-free weights of what a run becomes. */
export async function runWeights(model: Model, layer: number, run: RunTask): Promise<Record<string, Weights>> {
  const layers = Array.from({ length: run.span }, (_, i) => layer + i)
  const weights = await Promise.all(
    layers.map(async (at) => ({
      attention: await model.weights(at, 'attention'),
      ffn: await model.weights(at, 'ffn'),
    })),
  )
  const made = runType(run.name).initialise(weights, layersOf(model, layer, run.span), run.params)
  return { ...made }
}

export const asRunTask = ({ type, params, span }: RunVariant): RunTask => ({
  name: type.name,
  version: type.version,
  params,
  span,
})

/** Id of the entry of nothing in a slot. */
export const emptyEntry = (layer: number, slot: Slot): string => entryId(layer, slot, 'no-op', 'parent')

/** Entries of nothing for all layers of runs, whether the space has them or not: what the rest of a run becomes. */
export function emptyEntries(runs: readonly RunVariant[]): LibraryEntry[] {
  const layers = new Set(runs.flatMap(({ layer, span }) => Array.from({ length: span }, (_, i) => layer + i)))
  return [...layers].flatMap((layer) =>
    (['attention', 'ffn'] as const).map((slot) => ({
      id: emptyEntry(layer, slot),
      layer,
      slot,
      variant: 'no-op',
      ...nothing,
      beside: 'parent',
      weights: null,
      parameters: 0,
      nmseBefore: 0,
      nmseAfter: 0,
    })),
  )
}

/** Pupils of a run's lesson: the slots that are not empty. None where nothing is to be learned. */
export const runPupils = ({ slots }: RunVariant) =>
  (['attention', 'ffn'] as const).flatMap((slot) => {
    const { entry, variant, block, params, empty } = slots[slot]
    return empty ? [] : [{ entry, slot, variant, block, params }]
  })

/** Name of a run's task: `layer02/run/fuse-ffn-2`. */
export const runName = ({ layer, id }: Pick<RunVariant, 'layer' | 'id'>): string => `${layerName(layer)}/run/${id}`
