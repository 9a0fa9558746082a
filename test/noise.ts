/** Repeatable numbers from 0 to 1. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
}

/** Repeatable numbers, normal enough for weights. */
export function noise(seed: number): () => number {
  const random = uniform(seed)
  return () => random() + random() + random() - 1.5
}
