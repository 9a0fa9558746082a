import type { Slot, Weights } from '../../api/index.js'
import type { Model } from '../model.js'
import { quantisationOf, rounded } from '../quantisation.js'

/** Returns a function that reads weights by the names of `modelShapes`, and keeps those of one slot in memory. */
export function weightReader(model: Model): (name: string) => Promise<Float32Array> {
  let last: { readonly key: string; readonly weights: Promise<Weights> } | undefined
  return async (name) => {
    if (name === 'embedding') return model.embedding()
    if (name === 'norm') return model.norm()
    if (name === 'head') return model.head()
    const [, layer, slot, ...weight] = name.split('.') as [string, string, Slot, ...string[]]
    const key = `${layer}.${slot}`
    if (last?.key !== key) {
      // Weights of a view may not have been rounded to the values of their integers.
      const onGrid = async () =>
        rounded(await model.weights(Number(layer), slot), quantisationOf(model, Number(layer), slot))
      last = { key, weights: onGrid() }
    }
    const found = (await last.weights)[weight.join('.')]
    if (!found) throw new Error(`Internal error: there is no weight ${name}`)
    return found.data
  }
}
