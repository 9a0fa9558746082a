import { closure } from './links.js'
import type { Instance, Selection } from './instance.js'

/**
 * Chooses an option together with all options that it needs. Layers whose option needed a displaced one fall back to their best
 * option that needs nothing.
 *
 * @param selection  includes all options that its options need
 * @returns a new selection, or undefined if there is none
 */
export function place(instance: Instance, selection: Selection, option: number): Selection | undefined {
  const { layerOf, links } = instance
  const forced = closure(links, layerOf, option)
  if (!forced) return undefined
  const changed = selection.slice()
  const displaced: number[] = []
  for (const [layer, k] of forced) {
    if (changed[layer] !== k) displaced.push(changed[layer]!)
    changed[layer] = k
  }
  for (let gone = displaced.pop(); gone !== undefined; gone = displaced.pop())
    for (const k of links.neededBy.get(gone) ?? []) {
      const layer = layerOf[k]!
      if (changed[layer] !== k) continue
      const fallback = leastFree(instance, layer)
      // The requested option and those that it forces are never displaced, but another layer may lack a fallback.
      if (fallback === undefined) return undefined
      displaced.push(k)
      changed[layer] = fallback
    }
  return changed
}

/** The best option of each layer if all that it needs is chosen too, otherwise the best one that needs nothing. */
export function leastSelection(instance: Instance): Selection | undefined {
  const selection = new Int32Array(instance.layers)
  for (let i = 0; i < instance.layers; i++) {
    let best = instance.offsets[i]!
    for (let k = best; k < instance.offsets[i + 1]!; k++) if (instance.scores[k]! < instance.scores[best]!) best = k
    selection[i] = best
  }
  const { needs } = instance.links
  const lacks = (k: number) => needs.get(k)?.some((other) => selection[instance.layerOf[other]!] !== other) ?? false
  for (let lacking = selection.findIndex(lacks); lacking >= 0; lacking = selection.findIndex(lacks)) {
    const fallback = leastFree(instance, lacking)
    if (fallback === undefined) return undefined
    selection[lacking] = fallback
  }
  return selection
}

function leastFree(instance: Instance, layer: number): number | undefined {
  let best: number | undefined
  for (let k = instance.offsets[layer]!; k < instance.offsets[layer + 1]!; k++)
    if (!instance.links.needs.has(k) && (best === undefined || instance.scores[k]! < instance.scores[best]!)) best = k
  return best
}

/** Whether swapping one option for another affects no other layer. */
export function isAlone(instance: Instance, from: number, to: number): boolean {
  return !instance.links.needs.has(to) && !instance.links.neededBy.has(from)
}
