import type { ArtifactRef, Blocks, Environment, Slot } from '../api/index.js'
import { cacheWeights, type Model } from '../model/index.js'
import type { BaseOutputs } from './hand-over.js'
import { alike } from './initial-weights.js'
import type { ModelInput } from './inputs.js'
import { assemble, asTask, entryId, readJson, type Base, type LibraryEntry } from './library.js'
import type { Pupil } from './lesson.js'
import { openParent } from './parent.js'
import { WarmOf } from './warm.js'

const bases = new WarmOf<Blocks, Base>(1)

/** Opens the model whose blocks a round replaces: the parent, or the child of the round before. Tasks of one process share it.
 *  @param ref  the artifact `base` of the stage `base`; undefined: the parent */
export async function openBase(
  context: Pick<Environment<ModelInput>, 'spec' | 'inputDigests' | 'blocks' | 'open'>,
  ref: BaseOutputs['files']['base'] | undefined,
): Promise<Base> {
  const parent = await openParent(context)
  if (!ref) return parent
  return bases.get(context.blocks, `${context.inputDigests.model} ${ref.digest}`, async () => {
    const entries = await readJson(context, ref)
    const { fillings, inputs } = asTask(entries)
    return { ...cacheWeights(assemble(parent, fillings, inputs, context)), origin: { parent, entries } }
  })
}

/** Reads the library of the round before, by entry id; undefined in the first round. */
export async function earlierLibrary(
  context: Pick<Environment, 'open'>,
  base: BaseOutputs | undefined,
): Promise<ReadonlyMap<string, LibraryEntry> | undefined> {
  if (!base) return undefined
  return new Map((await readJson(context, base.files.library)).map((entry) => [entry.id, entry]))
}

/**
 * Where a block of a later round begins: with what it was in the round before, the base's own blocks with the base's weights, and
 * the parent's with the parent's. Not for blocks of runs: what looks like the base's block may stand for several layers.
 * @returns its weights; null if they are those of the base or of the parent; undefined if there is no such block
 */
export function earlierWeights(
  base: Model,
  library: ReadonlyMap<string, LibraryEntry>,
  layer: number,
  { entry, slot, variant, block, params }: Pupil,
): ArtifactRef | null | undefined {
  if (alike({ block, params }, base.config.blocks[layer]![slot])) return null
  // A pair may have been trained together in this round alone.
  const earlier = library.get(entry) ?? library.get(entryId(layer, slot, variant, 'parent'))
  return earlier && earlier.weights
}

/** Name of a task's input with the weights that a slot begins with. */
export const earlierName = (slot: Slot): string => `earlier-${slot}`
