import { unit, undecided } from './greedy.js'
import { total, withinLimits, type Instance, type Selection } from './instance.js'
import { isAlone, place } from './place.js'

/** Generates uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * Draws random feasible selections: uniform choices, repaired by random swaps that reduce the violation. An option that needs
 * others is chosen together with them or, if that is impossible, replaced. Samples that the repair does not make feasible in
 * time are dropped.
 */
export function randomSelections(instance: Instance, samples: number, seed: number): Selection[] {
  const next = uniform(seed)
  const pick = (i: number) => {
    const from = instance.offsets[i]!
    return from + Math.floor(next() * (instance.offsets[i + 1]! - from))
  }
  const { rows } = instance
  const units = rows.map(unit)
  const almost = Float64Array.from(rows, (row, r) => row.max + 1e-9 * units[r]!)
  const later = new Float64Array(rows.length)
  const linked = instance.links.pairs.length > 0
  const feasible: Selection[] = []
  for (let sample = 0; sample < samples; sample++) {
    const composed = compose(instance, pick)
    if (!composed) continue
    let selection = composed
    const use = Float64Array.from(rows, (row) => total(row.use, selection))
    for (let step = 0; step < 40 * instance.layers; step++) {
      // The running sums drift a little, so they only say when the exact ones are worth computing.
      if (below(use, almost) && withinLimits(instance, selection)) {
        feasible.push(selection)
        break
      }
      const i = Math.floor(next() * instance.layers)
      const from: number = selection[i]!
      const to = pick(i)
      const alone = !linked || isAlone(instance, from, to)
      const whole: Selection | undefined = alone ? undefined : place(instance, selection, to)
      if (!alone && !whole) continue
      let change = 0
      for (let r = 0; r < rows.length; r++) {
        const row = rows[r]!
        const after = whole ? total(row.use, whole) : use[r]! + row.use[to]! - row.use[from]!
        later[r] = after
        change += (Math.max(0, after - row.max) - Math.max(0, use[r]! - row.max)) / units[r]!
      }
      if (change >= 0) continue
      if (whole) selection = whole
      else selection[i] = to
      use.set(later)
    }
  }
  return feasible
}

function below(values: Float64Array, bounds: Float64Array): boolean {
  for (let r = 0; r < values.length; r++) if (values[r]! > bounds[r]!) return false
  return true
}

/** Chooses a random option layer by layer, together with all options that it needs. */
function compose(instance: Instance, pick: (layer: number) => number): Selection | undefined {
  const linked = instance.links.pairs.length > 0
  const selection = new Int32Array(instance.layers).fill(-1)
  for (let i = 0; i < instance.layers; i++) {
    if (selection[i] !== -1) continue
    const picked = pick(i)
    let options = linked ? undecided(instance, selection, picked) : [picked]
    // An option that contradicts earlier choices gives way to the first one that does not.
    for (let k = instance.offsets[i]!; !options && k < instance.offsets[i + 1]!; k++)
      options = undecided(instance, selection, k)
    if (!options) return undefined
    for (const k of options) selection[instance.layerOf[k]!] = k
  }
  return selection
}
