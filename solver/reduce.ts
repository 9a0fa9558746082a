import { layerMinima, type Cut, type Instance } from './instance.js'
import { removeUnsupported } from './links.js'

/**
 * Masks the options that an optimal selection may need, [options]. Exact: it only removes options that exceed a limit even with
 * the cheapest options in all other layers, options that need one of those, and options that another one in the same layer
 * dominates.
 */
export function reduce(instance: Instance, cuts: readonly Cut[]): Uint8Array {
  const kept = new Uint8Array(instance.scores.length).fill(1)
  while (removeUnaffordable(instance, kept) || removeUnsupported(instance.links, kept));
  removeDominated(instance, cuts, kept)
  return kept
}

function removeUnaffordable(instance: Instance, kept: Uint8Array): boolean {
  let changed = false
  for (const row of instance.rows) {
    const minima = layerMinima(instance, row.use, kept)
    const spare = row.max + row.tolerance - minima.reduce((sum, value) => sum + value, 0)
    if (!Number.isFinite(spare)) return false
    // The limit cannot be met at all: the caller reports it by name. Removing everything here would hide which one it is.
    if (spare < 0) continue
    for (let i = 0; i < instance.layers; i++)
      for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++)
        if (kept[k] && row.use[k]! - minima[i]! > spare + row.tolerance) {
          kept[k] = 0
          changed = true
        }
  }
  return changed
}

/**
 * Removes dominated options. Numbers do not show everything: a solution that has to differ from earlier ones may need an option
 * outside them, an option that others need cannot be replaced, and one that needs others cannot always replace another.
 */
function removeDominated(instance: Instance, cuts: readonly Cut[], kept: Uint8Array): void {
  const { needs, neededBy } = instance.links
  const { scores } = instance
  const uses = instance.rows.map((row) => row.use)
  for (let i = 0; i < instance.layers; i++) {
    const [from, to] = [instance.offsets[i]!, instance.offsets[i + 1]!]
    const earlier = new Set(cuts.map((cut) => cut.selection[i]!))
    for (let v = from; v < to; v++) {
      if (!kept[v] || neededBy.has(v)) continue
      const score = scores[v]!
      other: for (let w = from; w < to; w++) {
        if (scores[w]! > score || !kept[w] || w === v) continue
        let equal = scores[w] === score
        for (let r = 0; r < uses.length; r++) {
          const difference = uses[r]![w]! - uses[r]![v]!
          if (difference > 0) continue other
          if (difference < 0) equal = false
        }
        if (needs.has(w) || earlier.has(w)) continue
        // In a tie the first one stays, unless an earlier solution contains only the other.
        if (equal && w > v && !earlier.has(v)) continue
        kept[v] = 0
        break
      }
    }
  }
}
