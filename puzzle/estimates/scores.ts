import { digestJson, type Resources, type ResourcesContext } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import { allVariants, lessons, type CurriculumParams } from '../curriculum.js'
import type { ModelInput, SpaceInput } from '../inputs.js'
import { entryId, type LibraryEntry } from '../library.js'
import { pairsOf } from '../scored-pairs.js'
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
  const positions = sequences * read.length
  // The parent's predictions are made once, with the mean rows of its head.
  let [tasks, forward] = [0, positions * 2 * headFlops(model)]
  for (let layer = 0; layer < model.config.layers; layer++) {
    const each = positions * (layersFlops(model, read.length, layer) + headFlops(model))
    for (const { slot, ...pair } of pairsOf(model, spec.space, library, layer, pairs, 0)) {
      const before = beforeDistillation && slot !== 'block' && pair[slot].weights !== null
      tasks++
      forward += before ? 2 * each : each
    }
  }
  const replaced = runVariants(model, spec.space, runs)
  for (const { layer } of replaced) forward += positions * (layersFlops(model, read.length, layer) + headFlops(model))
  return { tasks: tasks + replaced.length, work: { forward } }
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
