import { readFile } from 'node:fs/promises'
import { parentBlocks, replaceBlocks, type Model, type Replacement } from '../../model/index.js'
import { readTensors } from '../../tensor/index.js'
import type {
  ArtifactRef,
  BlockChoice,
  Blocks,
  JsonObject,
  LayerFacts,
  Slot,
  StageContext,
  Weights,
} from '../api/index.js'

/** What may fill a slot of a layer. */
export interface Variant extends BlockChoice {
  /** Unique within layer and slot: `parent`, `swiglu-256`, `no-op`. */
  readonly id: string
  readonly empty: boolean
}

/** A trained variant. What fills the layer's other slot while it is trained is part of what it is. */
export interface LibraryEntry {
  /** `layer03/ffn/swiglu-256`, with `+no-op` where the other slot was empty. */
  readonly id: string
  readonly layer: number
  readonly slot: Slot
  readonly variant: string
  readonly block: string
  readonly params: JsonObject
  readonly beside: 'parent' | 'no-op'
  /** Weights with `norm`; null where they are the parent's own, or there are none. */
  readonly weights: ArtifactRef | null
  readonly parameters: number
  /** Normalised squared error of the layer's output on held-out text, before and after training. */
  readonly nmseBefore: number
  readonly nmseAfter: number
}

/** One entry per slot of every layer. */
export type Choice = readonly { readonly attention: string; readonly ffn: string }[]

export const layerName = (layer: number): string => `layer${String(layer).padStart(2, '0')}`
export const entryId = (layer: number, slot: Slot, variant: string, beside: LibraryEntry['beside']): string =>
  `${layerName(layer)}/${slot}/${variant}${beside === 'no-op' ? '+no-op' : ''}`

/** All variants of a slot that the spec's space asks for; the parent's own comes first, whether asked for or not. */
export function variants(space: JsonObject, slot: Slot, facts: LayerFacts, blocks: Blocks): Variant[] {
  const found = new Map<string, Variant>()
  found.set('parent', { id: 'parent', empty: false, ...parentBlocks(facts)[slot] })
  for (const entry of space[slot] as readonly (string | JsonObject)[]) {
    const own: JsonObject = typeof entry === 'string' ? { block: entry } : entry
    if (own.block === 'parent') continue
    const type = blocks.get(slot, own.block as string)
    for (const params of type.variants(facts, own)) {
      const id = type.id(params)
      found.set(id, { id, block: type.name, params, empty: type.empty === true })
    }
  }
  return [...found.values()]
}

/** Weights of an entry; the parent's own where it has none of its own. */
export async function entryWeights(
  entry: LibraryEntry,
  model: Model,
  context: Pick<StageContext<unknown>, 'open'>,
): Promise<Weights> {
  if (entry.weights) return readWeights(await context.open(entry.weights))
  return model.blocks.get(entry.slot, entry.block).empty ? {} : model.weights(entry.layer, entry.slot)
}

export async function readWeights(path: string): Promise<Weights> {
  const { tensors } = await readTensors(path)
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { dims, data }]) => [name, { shape: dims, data: data as Float32Array }]),
  )
}

/** The parent with one entry per slot: a view, weights read when they are asked for. */
export function assemble(
  model: Model,
  library: ReadonlyMap<string, LibraryEntry>,
  choice: Choice,
  context: Pick<StageContext<unknown>, 'open'>,
): Model {
  const replacements: Replacement[] = choice.flatMap((own, layer) =>
    (['attention', 'ffn'] as const).map((slot): Replacement => {
      const entry = library.get(own[slot])
      if (!entry) throw new Error(`Internal error: no library entry ${own[slot]}`)
      const { block, params } = entry
      return { layer, slot, block, params, weights: () => entryWeights(entry, model, context) }
    }),
  )
  return replaceBlocks(model, replacements)
}

export async function readLibrary(context: StageContext<unknown>): Promise<Map<string, LibraryEntry>> {
  const entries = await readJson<LibraryEntry[]>(context, context.stages.distill!.files.library!)
  return new Map(entries.map((entry) => [entry.id, entry]))
}

export async function readJson<T>(context: Pick<StageContext<unknown>, 'open'>, ref: ArtifactRef): Promise<T> {
  return JSON.parse(await readFile(await context.open(ref), 'utf8')) as T
}
