import { layerMinima, type Cut, type Instance } from './instance.js'
import { removeUnsupported } from './links.js'

/**
 * Options that an optimal selection may need, as a mask [options]. Exact: removed are only options that fit nowhere
 * (with the cheapest of all other layers they break a limit), options that need one of those, and options that another of
 * the same layer dominates.
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
    // The limit itself cannot be met: the caller says so by name; removing everything would hide which.
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
 * Sharing a layer with an earlier solution is a cost too: an option outside it may be needed to differ enough. So are
 * links: an option that others need has a use that no number shows, and one that needs others cannot always stand in.
 */
function removeDominated(instance: Instance, cuts: readonly Cut[], kept: Uint8Array): void {
  const { needs, neededBy } = instance.links
  for (let i = 0; i < instance.layers; i++) {
    const [from, to] = [instance.offsets[i]!, instance.offsets[i + 1]!]
    const values = [instance.scores, ...instance.rows.map((row) => row.use)]
    for (let v = from; v < to; v++) {
      if (!kept[v] || neededBy.has(v)) continue
      for (let w = from; w < to; w++) {
        if (w === v || !kept[w] || needs.has(w)) continue
        if (cuts.some((cut) => cut.selection[i] === w)) continue
        let equal = true
        let dominates = true
        for (const value of values) {
          if (value[w]! > value[v]!) {
            dominates = false
            break
          }
          if (value[w]! < value[v]!) equal = false
        }
        if (!dominates) continue
        // Of equals the first stays, unless only the other shares layers with earlier solutions.
        if (equal && w > v && !cuts.some((cut) => cut.selection[i] === v)) continue
        kept[v] = 0
        break
      }
    }
  }
}
