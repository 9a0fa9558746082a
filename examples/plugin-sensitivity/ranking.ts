/** What is read of a row of `score`: one slot of a layer replaced by a variant. */
export interface Score {
  readonly layer: number
  /** `block`: both slots, of which nothing is read here. */
  readonly slot: 'attention' | 'ffn' | 'block'
  readonly attention: string
  readonly ffn: string
  readonly kl: number
  readonly lossDelta: number
  readonly nmse: number
}

export type Measure = 'kl' | 'lossDelta' | 'nmse'

/** How much depends on one slot of a layer being the parent's own block. */
export interface Sensitivity {
  readonly rank: number
  readonly layer: number
  readonly slot: 'attention' | 'ffn'
  readonly variants: number
  /** Over all variants: layers have the same ones, so means compare. */
  readonly mean: number
  /** Of the sum over all slots of all layers. */
  readonly share: number
  readonly best: { readonly variant: string; readonly value: number }
  readonly worst: { readonly variant: string; readonly value: number }
}

/**
 * Slots of layers, the most sensitive first.
 * @param only  a variant's name: the others do not count
 */
export function ranking(scores: readonly Score[], measure: Measure, only?: string): readonly Sensitivity[] {
  const places = new Map<string, { layer: number; slot: 'attention' | 'ffn'; found: Sensitivity['best'][] }>()
  for (const score of scores) {
    const { layer, slot } = score
    if (slot === 'block' || (only !== undefined && score[slot] !== only)) continue
    const key = `${layer} ${slot}`
    const place = places.get(key) ?? { layer, slot, found: [] }
    place.found.push({ variant: score[slot], value: score[measure] })
    places.set(key, place)
  }
  const measured = [...places.values()].map(({ layer, slot, found }) => {
    const sorted = [...found].sort((a, b) => a.value - b.value || (a.variant < b.variant ? -1 : 1))
    const mean = sorted.reduce((sum, { value }) => sum + value, 0) / sorted.length
    return { layer, slot, variants: sorted.length, mean, best: sorted[0]!, worst: sorted.at(-1)! }
  })
  const total = measured.reduce((sum, { mean }) => sum + mean, 0)
  return measured
    .sort((a, b) => b.mean - a.mean || a.layer - b.layer || (a.slot < b.slot ? -1 : 1))
    .map((place, i) => ({ rank: i + 1, ...place, share: total > 0 ? place.mean / total : 0 }))
}

/** All slots, for a spreadsheet. */
export function csv(places: readonly Sensitivity[]): string {
  const rows = places.map(({ rank, layer, slot, variants, mean, share, best, worst }) =>
    [rank, layer, slot, variants, mean, share, best.variant, best.value, worst.variant, worst.value].join(','),
  )
  return `rank,layer,slot,variants,mean,share,best,best value,worst,worst value\n${rows.join('\n')}\n`
}

/** A page about the first `top`. */
export function page(places: readonly Sensitivity[], measure: Measure, top: number): string {
  const number = (value: number) => value.toPrecision(3)
  const rows = places
    .slice(0, top)
    .map(
      ({ rank, layer, slot, mean, share, best, worst }) =>
        `| ${rank} | ${layer} | ${slot} | ${number(mean)} | ${(100 * share).toFixed(1)} % | ${best.variant} (${number(best.value)}) | ${worst.variant} (${number(worst.value)}) |`,
    )
  const most = places[0]!
  const least = places.at(-1)!
  return `# Sensitive layers

By ${measure} of replacing one block and nothing else, mean over its variants. Keep the ${most.slot} of layer ${most.layer}; the ${least.slot} of layer ${least.layer} is the first to give away.

| rank | layer | slot | mean ${measure} | share | best variant | worst variant |
| ---: | ---: | --- | ---: | ---: | --- | --- |
${rows.join('\n')}
`
}
