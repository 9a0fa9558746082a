import { digestJson, slots, type Slot } from '../api/index.js'
import type { Space } from './inputs.js'
import { entryId, ownVariant, variants, type Base, type LibraryEntry, type Variant } from './library.js'

/** Entries for both slots of a layer that are scored together. */
export interface Pair {
  readonly slot: Slot | 'block'
  readonly attention: LibraryEntry
  readonly ffn: LibraryEntry
}

type Library = ReadonlyMap<string, LibraryEntry>

/**
 * Lists what is scored at a layer: every variant next to the base's block in the other slot; every pair that was trained
 * together, including removed slots; and `wanted` or all other pairs, which show how scores of slots combine. Variants that are
 * missing in the library are left out.
 */
export function pairsOf(
  model: Base,
  space: Space,
  library: Library,
  layer: number,
  wanted: number | 'all',
  seed: number,
): Pair[] {
  const bySlot = {
    attention: variants(space, 'attention', model, layer),
    ffn: variants(space, 'ffn', model, layer),
  }
  const entry = (slot: Slot, variant: string, beside: string) => library.get(entryId(layer, slot, variant, beside))
  const parents = (slot: Slot) => entry(slot, ownVariant(model, layer, slot), 'parent')!
  const parent = { attention: parents('attention'), ffn: parents('ffn') }
  const singles = slots.flatMap((slot) =>
    bySlot[slot].flatMap(({ id, own }): Pair[] => {
      const changed = own ? undefined : entry(slot, id, 'parent')
      return changed ? [{ slot, ...parent, [slot]: changed }] : []
    }),
  )
  const blocks = bySlot.attention.flatMap((a) =>
    bySlot.ffn.flatMap((f) => {
      const together = trainedTogether(a, f, entry)
      return together ? [{ slot: 'block' as const, ...together }] : []
    }),
  )
  return [...singles, ...blocks, ...sampled(bySlot, entry, blocks, layer, wanted, seed)]
}

type Find = (slot: Slot, variant: string, beside: string) => LibraryEntry | undefined

/** Returns entries that were trained together, if any; next to a removed slot, the best available entry. */
function trainedTogether(a: Variant, f: Variant, entry: Find): Omit<Pair, 'slot'> | undefined {
  // The layer of the parent needs no measurement: its score is 0.
  if (a.own && f.own) return undefined
  if (a.empty || f.empty) {
    const best = (slot: Slot, own: Variant, other: Variant) =>
      (other.empty && !own.empty ? entry(slot, own.id, other.id) : undefined) ?? entry(slot, own.id, 'parent')
    const pair = { attention: best('attention', a, f), ffn: best('ffn', f, a) }
    // A removed slot next to the parent's unchanged other block is already scored as a single variant.
    const untouched = (own: Variant, made?: LibraryEntry) => own.own && made?.beside === 'parent'
    const alone = untouched(a, pair.attention) || untouched(f, pair.ffn)
    return pair.attention && pair.ffn && !alone ? { attention: pair.attention, ffn: pair.ffn } : undefined
  }
  const [attention, ffn] = [entry('attention', a.id, f.id), entry('ffn', f.id, a.id)]
  return attention && ffn ? { attention, ffn } : undefined
}

/** Samples pairs of changed slots, each trained next to the parent's other block. It takes those with the smallest digests, so
 *  that one more variant in the space does not change the rest of the sample. */
function sampled(
  own: { readonly attention: readonly Variant[]; readonly ffn: readonly Variant[] },
  entry: Find,
  scored: readonly Pair[],
  layer: number,
  wanted: number | 'all',
  seed: number,
): Pair[] {
  const changed = (list: readonly Variant[]) => list.filter(({ own, empty }) => !own && !empty)
  const is = (a: string, f: string) => (pair: Pair) => pair.attention.variant === a && pair.ffn.variant === f
  const all = changed(own.attention)
    .flatMap((a) => changed(own.ffn).map((f) => [a.id, f.id] as const))
    .filter(([a, f]) => !scored.some(is(a, f)))
    .map(([a, f]) => ({ a, f, rank: digestJson([seed, layer, a, f]) }))
    .sort((x, y) => (x.rank < y.rank ? -1 : 1))
  return all.slice(0, wanted === 'all' ? all.length : wanted).flatMap(({ a, f }): Pair[] => {
    const [attention, ffn] = [entry('attention', a, 'parent'), entry('ffn', f, 'parent')]
    return attention && ffn ? [{ slot: 'block', attention, ffn }] : []
  })
}
