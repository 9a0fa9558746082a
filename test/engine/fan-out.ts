/** A spec with a fan-out over items; more stages may follow. */
export const fanOut = (items: readonly string[], factor: number) => `
items: [${items.join(', ')}]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: ${factor} } }
`
