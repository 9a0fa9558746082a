import type { Problem } from './problem.js'

/**
 * Dependencies between options of different layers: choosing the first of a pair means choosing the second. This relation
 * expresses both the exact cover by runs of layers and options that require others.
 */
export interface Links {
  readonly pairs: readonly (readonly [from: number, to: number])[]
  /** For each option, the options that it needs, each in another layer. */
  readonly needs: ReadonlyMap<number, readonly number[]>
  /** For each option, the options that need it. */
  readonly neededBy: ReadonlyMap<number, readonly number[]>
}

/** An entry in a layer's list of options: one of its options, or being covered by a run that starts earlier. */
export interface Place {
  /** The layer to which the option belongs: this one, or the first of the run. */
  readonly from: number
  readonly option: Problem['layers'][number]['options'][number]
  readonly covered: boolean
}

/**
 * Lists each layer's options, followed by a "covered" entry for each run that reaches into it. A run and the entries it covers
 * need each other, so choosing exactly one entry per layer is an exact cover of the layers.
 */
export function expand(layers: Problem['layers']): { readonly places: readonly (readonly Place[])[]; links: Links } {
  const places: Place[][] = layers.map(({ options }, i) =>
    options.map((option) => ({ from: i, option, covered: false })),
  )
  for (const [i, { options }] of layers.entries())
    for (const option of options)
      for (let j = i + 1; j < i + (option.span ?? 1); j++) places[j]!.push({ from: i, option, covered: true })
  const isLinked = ({ span = 1, requires = [] }: Place['option']) => span > 1 || requires.length > 0
  if (!layers.some(({ options }) => options.some(isLinked))) return { places, links: toLinks([]) }
  const indices = new Map<Place['option'], number[]>()
  for (const [k, { option }] of places.flat().entries()) {
    const known = indices.get(option)
    if (known) known.push(k)
    else indices.set(option, [k])
  }
  const pairs: [number, number][] = []
  for (const { options } of layers)
    for (const option of options) {
      // The option itself comes first: its layer precedes those it covers.
      const [itself, ...covers] = indices.get(option)!
      for (const cover of covers) pairs.push([itself!, cover], [cover, itself!])
      for (const { layer, option: id } of option.requires ?? []) {
        const needed = layers[layer]!.options.find((other) => other.id === id)!
        if (needed !== option) pairs.push([itself!, indices.get(needed)![0]!])
      }
    }
  return { places, links: toLinks(pairs) }
}

function toLinks(pairs: readonly (readonly [number, number])[]): Links {
  const needs = new Map<number, number[]>()
  const neededBy = new Map<number, number[]>()
  const add = (map: Map<number, number[]>, key: number, value: number) => {
    const list = map.get(key)
    if (list) list.push(value)
    else map.set(key, [value])
  }
  for (const [from, to] of pairs) {
    add(needs, from, to)
    add(neededBy, to, from)
  }
  return { pairs, needs, neededBy }
}

/** An option and all options that it needs, directly or indirectly, by layer. Undefined if they include two of one layer. */
export function closure(links: Links, layerOf: Int32Array, option: number): ReadonlyMap<number, number> | undefined {
  const chosen = new Map<number, number>()
  const queue = [option]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const layer = layerOf[next]!
    const earlier = chosen.get(layer)
    if (earlier === next) continue
    if (earlier !== undefined) return undefined
    chosen.set(layer, next)
    queue.push(...(links.needs.get(next) ?? []))
  }
  return chosen
}

/** Removes from a mask, in place, each option that needs a removed one. Exact: such an option can never be chosen. */
export function removeUnsupported(links: Links, kept: Uint8Array): boolean {
  const queue = links.pairs.filter(([from, to]) => kept[from] && !kept[to]).map(([from]) => from)
  const changed = queue.length > 0
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (!kept[next]) continue
    kept[next] = 0
    queue.push(...(links.neededBy.get(next) ?? []).filter((from) => kept[from]))
  }
  return changed
}
