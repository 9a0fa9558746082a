import type { Problem } from './problem.js'

/**
 * What options need of other layers: who chooses the first of a pair must choose the second. This one relation says all
 * of an exact cover by runs of layers and of options that require others.
 */
export interface Links {
  readonly pairs: readonly (readonly [from: number, to: number])[]
  /** Of an option: the options it needs, each in another layer. */
  readonly needs: ReadonlyMap<number, readonly number[]>
  /** Of an option: the options that need it. */
  readonly neededBy: ReadonlyMap<number, readonly number[]>
}

/** A place in a layer's list of options: an option of the layer, or that a run from before covers the layer. */
export interface Place {
  /** Layer whose option it is: the layer itself, or the first of the run. */
  readonly from: number
  readonly option: Problem['layers'][number]['options'][number]
  readonly covered: boolean
}

/**
 * Each layer's options followed by one "covered" for each run that reaches into it. A run and what it covers need each
 * other, so that exactly one option a layer is an exact cover of the layers.
 */
export function expand(layers: Problem['layers']): { readonly places: readonly (readonly Place[])[]; links: Links } {
  const places: Place[][] = layers.map(({ options }, i) =>
    options.map((option) => ({ from: i, option, covered: false })),
  )
  for (const [i, { options }] of layers.entries())
    for (const option of options)
      for (let j = i + 1; j < i + (option.span ?? 1); j++) places[j]!.push({ from: i, option, covered: true })
  const numbers = new Map<Place['option'], number[]>()
  for (const [k, { option }] of places.flat().entries()) {
    const known = numbers.get(option)
    if (known) known.push(k)
    else numbers.set(option, [k])
  }
  const pairs: [number, number][] = []
  for (const { options } of layers)
    for (const option of options) {
      // The option itself comes first: its own layer lies before those it covers.
      const [own, ...covers] = numbers.get(option)!
      for (const cover of covers) pairs.push([own!, cover], [cover, own!])
      for (const { layer, option: id } of option.requires ?? []) {
        const needed = layers[layer]!.options.find((other) => other.id === id)!
        if (needed !== option) pairs.push([own!, numbers.get(needed)![0]!])
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

/** An option and all that it needs, directly or through others; undefined when two of one layer are among them. */
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

/** Removes from a mask, in place, each option that needs one which is not there. Exact: none of them can be chosen. */
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
