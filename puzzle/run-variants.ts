import { layerFacts, replaceBlocks, slotShapes, type Model } from '../model/index.js'
import {
  Failure,
  slots,
  type BlockChoice,
  type JsonObject,
  type RunLayer,
  type Runs,
  type RunType,
  type Slot,
  type Weights,
} from '../api/index.js'
import type { Space } from './inputs.js'
import { layerName } from './layer-name.js'
import { entryId, originOf, ownVariant, type Base, type LibraryEntry } from './library.js'
import { shown } from '../errors/foreign.js'

/** A replacement of several consecutive layers. */
export interface RunVariant {
  /** Run type and length: `fuse-ffn-2`. */
  readonly id: string
  readonly type: RunType
  readonly params: JsonObject
  readonly layer: number
  readonly span: number
  /** Blocks of the first layer: library entries without their evidence. An empty slot has the block `no-op`. */
  readonly slots: Readonly<Record<Slot, RunSlot>>
}

interface RunSlot extends BlockChoice {
  /** Id of the library entry. */
  readonly entry: string
  readonly variant: string
  readonly empty: boolean
}

/** A run, as parameters of a task. */
export interface RunTask {
  readonly name: string
  readonly version: number
  readonly params: JsonObject
  readonly span: number
}

const nothing: BlockChoice = { block: 'no-op', params: {} }

/**
 * Lists the distinct replacements of runs of the parent's layers in the space, in the order of their first layers.
 * @throws Failure InvalidInput if the model cannot have one, PluginBug if a run type breaks a rule of its interface
 */
export function runVariants(base: Base, space: Pick<Space, 'runs'>, runs: Runs): RunVariant[] {
  const model = originOf(base)
  const { config } = model
  const variants = (space.runs ?? []).flatMap(({ run: name, ...entry }) => {
    const type = runs.get(name as string)
    return [...type.variants(config.layers, entry)].flatMap((params) => {
      const { id, span } = named(type, params)
      const starts = Array.from({ length: Math.max(0, config.layers - span + 1) }, (_, layer) => layer)
      return starts.flatMap((layer): RunVariant[] => {
        const blocks = type.blocks(layersOf(model, layer, span), params)
        if (!blocks) return []
        const slot = (name: Slot): RunSlot => {
          const choice = blocks[name] ?? nothing
          const blockType = model.blocks.get(name, choice.block)
          const empty = blockType.empty === true
          const parents = config.blocks[layer]![name]
          const same = parents.block === choice.block && blockType.id(parents.params) === blockType.id(choice.params)
          // Named after the block, and not after the run: equal blocks have equal costs.
          const variant = same ? ownVariant(model, layer, name) : blockType.id(choice.params)
          return { ...choice, variant, empty, entry: entryId(layer, name, variant, empty ? 'parent' : id) }
        }
        return [{ id, type, params, layer, span, slots: { attention: slot('attention'), ffn: slot('ffn') } }]
      })
    })
  })
  return [...new Map(variants.map((variant) => [runName(variant), variant])).values()]
}

/** Checks the id and length of a variant, which names of files and library entries and numbers of layers are derived from. */
function named(type: RunType, params: JsonObject): { readonly id: string; readonly span: number } {
  const [id, span] = [type.id(params), type.span(params)]
  const bug = (message: string) => new Failure('PluginBug', `run type "${type.name}": ${message}`)
  if (!/^[\w.-]+$/.test(id))
    throw bug(`the id ${shown(id)} has characters other than letters, digits, ".", "_" and "-"`)
  if (!Number.isSafeInteger(span) || span < 1) throw bug(`the span of ${id} is ${span}, not a whole number above 0`)
  return { id, span }
}

const layersOf = ({ config }: Model, layer: number, span: number): RunLayer[] =>
  Array.from({ length: span }, (_, i) => ({
    facts: layerFacts(config, layer + i),
    ...config.blocks[layer + i]!,
  }))

/**
 * Computes the training-free weights of the blocks that replace a run.
 * @param pupils  the slots that are not empty
 * @throws Failure PluginBug if the run type returns other weights than the blocks have
 */
export async function runWeights(
  model: Model,
  layer: number,
  run: RunTask,
  pupils: readonly (BlockChoice & { readonly slot: Slot })[],
  runs: Runs,
): Promise<Record<string, Weights>> {
  const layers = Array.from({ length: run.span }, (_, i) => layer + i)
  const weights = await Promise.all(
    layers.map(async (at) => ({
      attention: await model.weights(at, 'attention'),
      ffn: await model.weights(at, 'ffn'),
    })),
  )
  const made = runs.get(run.name).initialise(weights, layersOf(model, layer, run.span), run.params)
  const nothing = { norm: { shape: [], data: new Float32Array(0) } }
  const replaced = replaceBlocks(
    model,
    pupils.map(({ slot, block, params }) => ({ layer, slot, block, params, weights: nothing })),
  )
  return Object.fromEntries(
    pupils.map(({ slot, block }) => {
      const slotWeights = made[slot] ?? {}
      const wanted = slotShapes(replaced.config, layer, slot, model.blocks)
      for (const name of new Set([...Object.keys(wanted), ...Object.keys(slotWeights)])) {
        const [shape, weight] = [wanted[name], slotWeights[name]]
        if (shape?.join() === weight?.shape.join() && weight?.data.length === shape?.reduce((n, d) => n * d, 1))
          continue
        const show = (dims?: readonly number[]) => (dims ? `[${dims.join(', ')}]` : 'none')
        const message = `run type "${run.name}" makes ${name} ${show(weight?.shape)} for the ${slot} block type "${block}", which has ${show(shape)}`
        throw new Failure('PluginBug', message)
      }
      return [slot, slotWeights]
    }),
  )
}

/** The part of a run that its task depends on. */
export const asRunTask = ({ type, params, span }: RunVariant): RunTask => ({
  name: type.name,
  version: type.version,
  params,
  span,
})

/** Id of the library entry of an empty slot. */
export const emptyEntry = (layer: number, slot: Slot): string => entryId(layer, slot, 'no-op', 'parent')

/** Returns entries of empty slots for all layers of runs, even if the space does not have them: all but the first layer of a run
 *  become empty. */
export function emptyEntries(runs: readonly RunVariant[]): LibraryEntry[] {
  const layers = new Set(runs.flatMap(({ layer, span }) => Array.from({ length: span }, (_, i) => layer + i)))
  return [...layers].flatMap((layer) =>
    slots.map((slot) => ({
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

/** Returns the pupils of a run's lesson: its slots that are not empty. */
export const runPupils = (run: RunVariant) =>
  slots.flatMap((slot) => {
    const { entry, variant, block, params, empty } = run.slots[slot]
    return empty ? [] : [{ entry, slot, variant, block, params }]
  })

/** Name of a run's task: `layer02/run/fuse-ffn-2`. */
export const runName = ({ layer, id }: Pick<RunVariant, 'layer' | 'id'>): string => `${layerName(layer)}/run/${id}`
