import type { Facets } from './assembly-predictor.js'
import { layerOptions, type ProblemParts } from './selection-problem.js'

/** Options are alike if they have the same variants in their slots. A replaced run is like no other option. */
export function variantsOf(parts: ProblemParts): Facets {
  const variant = (entry: string) => parts.library.get(entry)!.variant
  const byLayer = layerOptions(parts).map(
    (options) =>
      new Map(
        options.map(({ id, isRun, entries }) => [
          id,
          isRun ? [id] : [variant(entries.attention), variant(entries.ffn)],
        ]),
      ),
  )
  return (layer, option) => byLayer[layer]!.get(option)!
}
