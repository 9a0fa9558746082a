import { readFile } from 'node:fs/promises'
import { commonBlock, isOriginal, layerFacts, replaceBlocks, type Model, type Replacement } from '../model/index.js'
import { readTensors } from '../tensor/index.js'
import {
  Failure,
  type ArtifactRef,
  type BlockChoice,
  type BlockType,
  type Environment,
  type JsonObject,
  type Slot,
  type Weights,
} from '../api/index.js'
import type { Space } from './inputs.js'
import { layerName } from './layer-name.js'
import { askedWeights, weightsId, weightsOf, withWeights } from '../api/weights.js'

/** A candidate block for a slot of a layer. */
export interface Variant extends BlockChoice {
  /** Unique within layer and slot: `parent`, `swiglu-256`, `no-op`. */
  readonly id: string
  readonly empty: boolean
  /** Whether it is the base's block. */
  readonly own: boolean
}

/** A sub-block that fills a slot: a library entry without its evidence. */
export type Filling = {
  /** Id of the entry: `layer03/ffn/swiglu-256`, with `+no-op` if the other slot was empty. */
  readonly id: string
  readonly layer: number
  readonly slot: Slot
  readonly variant: string
  readonly block: string
  readonly params: JsonObject
  /** Number of layers that it replaces, if there are several: the others are empty. */
  readonly span?: number
}

/** A trained variant. The block in the layer's other slot during training is part of its identity. */
export interface LibraryEntry extends Filling {
  /** The variant in the other slot: `parent`, `no-op`, or the one that it was trained together with. */
  readonly beside: string
  /** Weights with `norm`; null if they are the parent's, or if there are none. */
  readonly weights: ArtifactRef | null
  readonly parameters: number
  /** Normalised squared error of the layer's output on held-out text, before and after training. */
  readonly nmseBefore: number
  readonly nmseAfter: number
}

/** The model whose blocks are replaced: the parent, or in a later round the child of the round before. */
export interface Base extends Model {
  /** Absent if it is the parent. */
  readonly origin?: {
    readonly parent: Model
    /** The base's blocks, attention and FFN for every layer. */
    readonly entries: readonly LibraryEntry[]
  }
}

/** The model that variants are named after, and that the space is about. */
export const originOf = (base: Base): Model => base.origin?.parent ?? base

/** One entry per slot of every layer, by id. */
export type Choice = readonly { readonly attention: string; readonly ffn: string }[]

/** Id of a library entry: `layer03/ffn/swiglu-256`, with `+BESIDE` unless it was trained next to the parent's other block. */
export const entryId = (layer: number, slot: Slot, variant: string, beside: string): string =>
  `${layerName(layer)}/${slot}/${variant}${beside === 'parent' ? '' : `+${beside}`}`

/** Id of the base's block in a slot: `parent`, or the block's own id if it differs from the first layer of the model that the
 *  parent descends from. Blocks with the same id are equal in all layers. */
export function ownVariant(model: Base, layer: number, slot: Slot): string {
  const own = model.origin?.entries.find((entry) => entry.layer === layer && entry.slot === slot)
  return own?.variant ?? ownId(model, slot, model.config.blocks[layer]![slot])
}

function ownId({ config, blocks }: Model, slot: Slot, { block, params }: BlockChoice): string {
  const type = blocks.get(slot, block)
  const usual = commonBlock(config, slot)
  return block === usual.block && type.id(params) === type.id(usual.params) ? 'parent' : type.id(params)
}

/** Lists all variants of a slot in the spec's space. The base's own block always comes first, and the parent's is always there. */
export function variants(space: Space, slot: Slot, model: Base, layer: number): Variant[] {
  const { config, blocks } = model
  if (model.origin) {
    const { block, params } = config.blocks[layer]![slot]
    const id = ownVariant(model, layer, slot)
    const others = variants(space, slot, model.origin.parent, layer).filter((own) => own.id !== id)
    const own = { id, block, params, own: true, empty: blocks.get(slot, block).empty === true }
    return [own, ...others.map((other) => ({ ...other, own: false }))]
  }
  const parent = config.blocks[layer]![slot]
  const byId = new Map<string, Variant>()
  const add = (id: string, { block, params }: BlockChoice, own: boolean) => {
    if (!byId.has(id)) byId.set(id, { id, block, params, own, empty: blocks.get(slot, block).empty === true })
  }
  add(ownVariant(model, layer, slot), parent, true)
  const plainId = ownId(model, slot, { ...parent, params: withWeights(parent.params, 'float32') })
  // Other blocks are initialised from the parent's, which is not possible for one that has already been replaced.
  const replaced = !isOriginal(config, layer, slot)
  for (const entry of space[slot]) {
    const wanted: JsonObject = typeof entry === 'string' ? { block: entry } : entry
    if (wanted.block === 'parent') {
      for (const kind of blocks.get(slot, parent.block).empty ? [] : askedWeights(wanted))
        if (kind !== 'float32' && kind !== weightsOf(parent.params))
          add(weightsId(plainId, kind), { block: parent.block, params: withWeights(parent.params, kind) }, false)
      continue
    }
    const type = blocks.get(slot, wanted.block as string)
    if (replaced && type.empty !== true) continue
    for (const params of possible(type, model, layer, wanted)) add(type.id(params), { block: type.name, params }, false)
  }
  return [...byId.values()]
}

/** Lists the variants of an entry at a layer; none if the entry is only possible for other layers of the parent. An entry that
 *  is possible for no layer has been refused with the spec. */
function possible(type: BlockType, { config }: Model, layer: number, entry: JsonObject): JsonObject[] {
  const facts = layerFacts(config, layer)
  try {
    return [...type.variants(facts, entry)]
  } catch (error) {
    const alike = JSON.stringify({ ...facts, layer: 0 })
    const differ = config.blocks.some((_, i) => JSON.stringify({ ...layerFacts(config, i), layer: 0 }) !== alike)
    if (error instanceof Failure && error.kind === 'InvalidInput' && differ) return []
    throw error
  }
}

/** Divides entries into parameters of a task, which determine what they compute, and its inputs: their weights by entry id. */
export function asTask(entries: readonly LibraryEntry[]): {
  readonly fillings: Filling[]
  readonly inputs: Record<string, ArtifactRef>
} {
  const fillings = entries.map(({ id, layer, slot, variant, block, params, span }): Filling => ({
    id,
    layer,
    slot,
    variant,
    block,
    params,
    ...(span !== undefined && { span }),
  }))
  const trained = entries.flatMap(({ id, weights }) => (weights ? [[id, weights] as const] : []))
  return { fillings, inputs: Object.fromEntries(trained) }
}

/** Reads the weights of a filling: its own, or else the parent's. */
export async function fillingWeights(
  { id, layer, slot, block }: Filling,
  inputs: Readonly<Record<string, ArtifactRef>>,
  model: Model,
  context: Pick<Environment, 'open'>,
): Promise<Weights> {
  const stored = inputs[id]
  if (stored) return readWeights(await context.open(stored))
  return model.blocks.get(slot, block).empty ? {} : model.weights(layer, slot)
}

/** Reads the weights of a block from a file. */
export async function readWeights(path: string): Promise<Weights> {
  const { tensors } = await readTensors(path)
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { dims, data }]) => [name, { shape: dims, data: data as Float32Array }]),
  )
}

/** Returns a view of the model with fillings in its slots. Weights are read when needed. */
export function assemble(
  model: Model,
  fillings: readonly Filling[],
  inputs: Readonly<Record<string, ArtifactRef>>,
  context: Pick<Environment, 'open'>,
): Model {
  const replacements = fillings.map((own): Replacement => {
    const { layer, slot, block, params } = own
    return { layer, slot, block, params, weights: () => fillingWeights(own, inputs, model, context) }
  })
  return replaceBlocks(model, replacements)
}

/** Returns the entries of a choice, in the order attention, FFN for every layer. */
export function chosenEntries(library: ReadonlyMap<string, LibraryEntry>, choice: Choice): LibraryEntry[] {
  return choice
    .flatMap((own) => [own.attention, own.ffn])
    .map((id) => {
      const entry = library.get(id)
      if (!entry) throw new Error(`Internal error: no library entry ${id}`)
      return entry
    })
}

/** Assembles the model of a choice, with the parent's head. @returns the model, and the fillings that it is assembled from */
export function chosenModel(
  model: Model,
  library: ReadonlyMap<string, LibraryEntry>,
  choice: Choice,
  context: Pick<Environment, 'open'>,
): { readonly child: Model; readonly fillings: readonly Filling[] } {
  const { fillings, inputs } = asTask(chosenEntries(library, choice))
  return { child: assemble(model, fillings, inputs, context), fillings }
}

/** Reads an artifact that is JSON. */
export async function readJson<T>(context: Pick<Environment, 'open'>, ref: ArtifactRef<T>): Promise<T> {
  return JSON.parse(await readFile(await context.open(ref), 'utf8')) as T
}
