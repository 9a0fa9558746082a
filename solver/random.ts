import { total, withinLimits, type Instance, type Selection } from './instance.js'
import { unit } from './greedy.js'

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
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
 * Random feasible selections: a uniform choice, repaired by random swaps that lessen the violation. Samples that no
 * repair within the steps makes feasible are left out.
 */
export function randomSelections(instance: Instance, samples: number, seed: number): Selection[] {
  const next = uniform(seed)
  const pick = (i: number) => {
    const from = instance.offsets[i]!
    return from + Math.floor(next() * (instance.offsets[i + 1]! - from))
  }
  const units = instance.rows.map(unit)
  const found: Selection[] = []
  for (let sample = 0; sample < samples; sample++) {
    const selection = Int32Array.from({ length: instance.layers }, (_, i) => pick(i))
    const use = instance.rows.map((row) => total(row.use, selection))
    for (let step = 0; step < 40 * instance.layers; step++) {
      if (withinLimits(instance, selection)) {
        found.push(selection)
        break
      }
      const i = Math.floor(next() * instance.layers)
      const [from, to] = [selection[i]!, pick(i)]
      let change = 0
      for (const [r, row] of instance.rows.entries()) {
        const after = use[r]! + row.use[to]! - row.use[from]!
        change += (Math.max(0, after - row.max) - Math.max(0, use[r]! - row.max)) / units[r]!
      }
      if (change >= 0) continue
      selection[i] = to
      for (const [r, row] of instance.rows.entries()) use[r]! += row.use[to]! - row.use[from]!
    }
  }
  return found
}
