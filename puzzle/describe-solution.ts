import { digestJson } from '../api/index.js'
import type { Described } from './hand-over.js'
import type { LibraryEntry } from './library.js'
import type { Solution } from './selection-problem.js'

/**
 * A solution by its variants, and by a digest of the parent, the choice for each layer and the weights.
 * @param parent  digest of the parent's files
 */
export function describeSolution(
  { choice, predicted, objective, runs, addedUp, batches, head }: Solution,
  library: ReadonlyMap<string, LibraryEntry>,
  parent: string,
): Described {
  const layers = choice.map((own) => ({ attention: library.get(own.attention)!, ffn: library.get(own.ffn)! }))
  const weighed = ({ variant, weights }: LibraryEntry) => ({ variant, weights: weights?.digest ?? null })
  return {
    solutionDigest: digestJson({
      parent,
      layers: layers.map(({ attention, ffn }) => ({ attention: weighed(attention), ffn: weighed(ffn) })),
      ...(head && { head }),
    }),
    predicted,
    objective,
    layers: layers.map(({ attention, ffn }) => ({ attention: attention.variant, ffn: ffn.variant })),
    ...(runs && { runs }),
    ...(addedUp && { addedUp }),
    ...(batches && { batches }),
    ...(head && { head }),
  }
}
