import { digestJson, type Resources, type ResourcesContext } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import { allVariants, lessons, type CurriculumParams } from '../curriculum.js'
import type { ModelInput, SpaceInput } from '../inputs.js'
import { entryId, type LibraryEntry } from '../library.js'
import { pairsOf, type Pair } from '../scored-pairs.js'
import { runVariants } from '../run-variants.js'
import { headFlops, layersFlops } from './flops.js'
import type { ExpectedReading } from './reading.js'

type Context = Pick<ResourcesContext<unknown, ModelInput & SpaceInput>, 'spec' | 'runs' | 'stages'>

/**
 * Estimates the rows that `score` will measure, and what that takes: layers from the changed one on, and the head; twice where the training-free weights are scored, too.
 * @param sequences  held-out ones that are scored on
 */
export function scoresExpected(
  model: Model,
  context: Context,
  { pairs, beforeDistillation }: { readonly pairs: number | 'all'; readonly beforeDistillation: boolean },
  read: Pick<ExpectedReading, 'length'>,
  sequences: number,
): Resources {
  const { spec, runs } = context
  const library = libraryExpected(model, context)
  const countsAt = rowCounts(library, (layer) => pairsOf(model, spec.space, library, layer, pairs, 0))
  const positions = sequences * read.length
  // The parent's predictions are made once, with the mean rows of its head.
  let [tasks, forward] = [0, positions * 2 * headFlops(model)]
  for (let layer = 0; layer < model.config.layers; layer++) {
    const each = positions * (layersFlops(model, read.length, layer) + headFlops(model))
    const { rows, trained } = countsAt(layer)
    tasks += rows
    forward += (rows + (beforeDistillation ? trained : 0)) * each
  }
  const replaced = runVariants(model, spec.space, runs)
  for (const { layer } of replaced) forward += positions * (layersFlops(model, read.length, layer) + headFlops(model))
  return { tasks: tasks + replaced.length, work: { forward } }
}

interface RowCounts {
  /** What is scored at a layer. */
  readonly rows: number
  /** Variants of one slot among it that have weights of their own. */
  readonly trained: number
}

/** Counts what is scored at a layer. Layers with the same entries have as many: a large model has few kinds of layers. */
function rowCounts(
  library: ReadonlyMap<string, LibraryEntry>,
  pairsAt: (layer: number) => readonly Pair[],
): (layer: number) => RowCounts {
  const kinds = new Map<number, string[]>()
  for (const { layer, slot, variant, beside } of library.values()) {
    const names = kinds.get(layer) ?? []
    names.push(`${slot} ${variant} ${beside}`)
    kinds.set(layer, names)
  }
  const known = new Map<string, RowCounts>()
  return (layer) => {
    const kind = (kinds.get(layer) ?? []).join('\n')
    let counts = known.get(kind)
    if (!counts) {
      const pairs = pairsAt(layer)
      const trained = pairs.filter(({ slot, ...pair }) => slot !== 'block' && pair[slot].weights !== null)
      known.set(kind, (counts = { rows: pairs.length, trained: trained.length }))
    }
    return counts
  }
}

/** The entries that `distill` will make, without weights. */
function libraryExpected(model: Model, { spec, runs, stages }: Context): ReadonlyMap<string, LibraryEntry> {
  const entries = new Map<string, LibraryEntry>()
  const evidence = { nmseBefore: 0, nmseAfter: 0, parameters: 0 }
  const weights = { kind: 'weights', digest: digestJson('weights'), bytes: 0 }
  for (const { layer, slot, variant } of allVariants(model, spec.space))
    if (variant.own || variant.empty) {
      const { id: name, block, params } = variant
      const id = entryId(layer, slot, name, 'parent')
      entries.set(id, { id, layer, slot, variant: name, block, params, beside: 'parent', weights: null, ...evidence })
    }
  const asked: CurriculumParams = { besideNoOp: 'all', mode: 'decoupled', coupled: [], ...stages.distill }
  for (const { layer, train, beside } of lessons(model, spec.space, asked, runs))
    for (const { entry: id, slot, variant, block, params } of train)
      entries.set(id, { id, layer, slot, variant, block, params, beside, weights, ...evidence })
  return entries
}
