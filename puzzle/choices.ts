import { Failure, slots, type Slot } from '../api/index.js'
import { shown } from '../errors/foreign.js'

/** A rule of `target.choices`: what some layers must have, must not have, or how many of them may have it. */
export interface ChoiceRule {
  readonly slot: Slot
  /** Layers that it is about: 3, "4-7", or a list of these. @default all */
  readonly layers?: LayerSet | readonly LayerSet[]
  /** Block types or variants of which each layer must have one. */
  readonly only?: string | readonly string[]
  /** Block types or variants that no layer may have. */
  readonly forbid?: string | readonly string[]
  /** Block types or variants that are counted. */
  readonly block?: string | readonly string[]
  readonly atLeast?: number
  readonly atMost?: number
}

type LayerSet = number | string

/** What a slot of a layer has. */
export interface Filled {
  /** `parent`, `swiglu-256`. */
  readonly variant: string
  /** The block type. */
  readonly block: string
  /** What the parent has there. */
  readonly own?: boolean
}

/** What an option of the solver puts into the layers that it covers, its own first. */
export type Fillings = readonly Readonly<Record<Slot, Filled>>[]

const list = <T extends string | number>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T]

/** Layers that a rule is about, in order. Throws a `RangeError` with what is wrong with them. */
export function ruleLayers({ layers }: ChoiceRule, count: number): number[] {
  if (layers === undefined) return Array.from({ length: count }, (_, layer) => layer)
  const found = new Set<number>()
  for (const part of list(layers)) {
    const range = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(String(part))
    if (!range) throw new RangeError(`${shown(part)} is neither a layer nor a range such as "4-7"`)
    const [first, last] = [Number(range[1]), Number(range[2] ?? range[1])]
    if (last < first) throw new RangeError(`the range ${part} ends before it begins`)
    if (last >= count) throw new RangeError(`there is no layer ${last}: the parent's layers are 0 to ${count - 1}`)
    for (let layer = first; layer <= last; layer++) found.add(layer)
  }
  return [...found].sort((a, b) => a - b)
}

/** Names of a rule: those of `only`, of `forbid`, and of `block`. */
export const ruleNames = ({ only, forbid, block }: ChoiceRule): readonly string[] => [
  ...list(only),
  ...list(forbid),
  ...list(block),
]

/** Whether a name means a filling: its variant, or its block type. What the parent has goes by `parent` and its variant only. */
export const means = (name: string, { variant, block, own = false }: Filled): boolean =>
  name === variant || name === (own ? 'parent' : block)

const isOneOf = (names: string | readonly string[] | undefined, filled: Filled) =>
  list(names).some((name) => means(name, filled))

/** Whether a rule lets a layer have a filling. */
export const allows = ({ only, forbid }: ChoiceRule, filled: Filled): boolean =>
  (only === undefined || isOneOf(only, filled)) && !isOneOf(forbid, filled)

/** Whether a rule counts a filling. */
export const counts = ({ block }: ChoiceRule, filled: Filled): boolean => isOneOf(block, filled)

/** A rule for people: `target.choices[2] (at least 2 layers with attention linear)`. */
export function describeRule(rule: ChoiceRule, index: number): string {
  const where = rule.layers === undefined ? '' : ` in layers ${list(rule.layers).join(', ')}`
  const what = [
    rule.only === undefined ? [] : `only ${list(rule.only).join(' or ')}`,
    rule.forbid === undefined ? [] : `no ${list(rule.forbid).join(' or ')}`,
    rule.atLeast === undefined ? [] : `at least ${rule.atLeast} with ${list(rule.block).join(' or ')}`,
    rule.atMost === undefined ? [] : `at most ${rule.atMost} with ${list(rule.block).join(' or ')}`,
  ].flat()
  return `target.choices[${index}] (${rule.slot}${where}: ${what.join(', ')})`
}

/** An option of the solver, with what it puts into its layers. */
interface Ruled {
  readonly id: string
  readonly fillings: Fillings
  readonly costs: Readonly<Record<string, number>>
  readonly requires?: readonly { readonly layer: number; readonly option: string }[]
}

/**
 * Options without those that a rule rules out; counted ones are costs, with limits on their sums.
 * @throws Failure Infeasible where a layer has none left
 */
export function applyChoices<T extends Ruled>(
  rules: readonly ChoiceRule[],
  layers: readonly (readonly T[])[],
): { readonly layers: T[][]; readonly limits: readonly { readonly cost: string; readonly max: number }[] } {
  const about = rules.map((rule) => new Set(ruleLayers(rule, layers.length)))
  const each = (layer: number, { fillings }: Ruled, visit: (rule: ChoiceRule, filled: Filled, r: number) => boolean) =>
    rules.every((rule, r) =>
      fillings.every((filled, n) => !about[r]!.has(layer + n) || visit(rule, filled[rule.slot], r)),
    )
  let kept = layers.map((options, layer) =>
    options.filter((option) => each(layer, option, (rule, filled) => allows(rule, filled))),
  )
  // An option goes with those that it needs.
  for (let size = -1; size !== kept.flat().length;) {
    size = kept.flat().length
    const has = ({ layer, option }: { layer: number; option: string }) => kept[layer]!.some(({ id }) => id === option)
    kept = kept.map((options) => options.filter(({ requires }) => (requires ?? []).every(has)))
  }
  const bare = kept.findIndex((options) => options.length === 0)
  if (bare >= 0 && rules.length > 0) {
    const named = rules.flatMap((rule, r) => (about[r]!.has(bare) ? [describeRule(rule, r)] : []))
    throw new Failure('Infeasible', `Nothing is left for layer ${bare} under ${named.join(' and ')}`, {
      remedy: 'Loosen these rules, or add block types to `space`.',
    })
  }
  const limits = rules.flatMap(({ atLeast, atMost }, r) => [
    ...(atMost === undefined ? [] : [{ cost: countCost(r, 'most'), max: atMost }]),
    ...(atLeast === undefined ? [] : [{ cost: countCost(r, 'least'), max: -atLeast }]),
  ])
  if (limits.length === 0) return { layers: kept, limits }
  const counted = kept.map((options, layer) =>
    options.map((option) => {
      const costs: Record<string, number> = { ...option.costs }
      const found = rules.map(() => 0)
      each(layer, option, (rule, filled, r) => {
        if (counts(rule, filled)) found[r]!++
        return true
      })
      for (const [r, { atLeast, atMost }] of rules.entries()) {
        if (atMost !== undefined) costs[countCost(r, 'most')] = found[r]!
        if (atLeast !== undefined) costs[countCost(r, 'least')] = -found[r]!
      }
      return { ...option, costs }
    }),
  )
  return { layers: counted, limits }
}

const countCost = (rule: number, bound: 'least' | 'most') => `target.choices[${rule}] at ${bound}`

/** The rule that a limit of the solver stands for. Undefined for other limits. */
export function ruleOf(rules: readonly ChoiceRule[], cost: string): string | undefined {
  const index = rules.findIndex((_, r) => cost === countCost(r, 'least') || cost === countCost(r, 'most'))
  return index < 0 ? undefined : describeRule(rules[index]!, index)
}

/** A mistake in the rules. */
export interface ChoiceMistake {
  /** Index of the rule, and the key in it if it is about one. */
  readonly rule: number
  readonly key?: keyof ChoiceRule
  readonly message: string
  readonly remedy: string
}

/**
 * Mistakes and contradictions that show without costs.
 * @param fillings  what each slot of each layer can have
 * @param runs      whether layers may also be replaced in runs, which can leave any slot empty
 */
export function choiceMistakes(
  rules: readonly ChoiceRule[],
  fillings: readonly Readonly<Record<Slot, readonly Filled[]>>[],
  runs: boolean,
): ChoiceMistake[] {
  const mistakes: ChoiceMistake[] = []
  const about: number[][] = []
  for (const [r, rule] of rules.entries()) {
    const wrong = (message: string, remedy: string, key?: keyof ChoiceRule) =>
      mistakes.push({ rule: r, message, remedy, ...(key && { key }) })
    about.push([])
    try {
      about[r] = ruleLayers(rule, fillings.length)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      wrong(error.message, 'Write a layer, a range such as 4-7, or a list of these.', 'layers')
    }
    const isCount = rule.atLeast !== undefined || rule.atMost !== undefined
    if (rule.only === undefined && rule.forbid === undefined && !isCount)
      wrong('this rule says nothing', 'Add `only`, `forbid`, or `block` with `atLeast` or `atMost`.')
    if (isCount !== (rule.block !== undefined))
      wrong(
        isCount ? 'a count needs `block`' : '`block` needs a count',
        'Write `block` with `atLeast` or `atMost`.',
        isCount ? undefined : 'block',
      )
    if ((rule.atLeast ?? 0) > (rule.atMost ?? Infinity))
      wrong(`atLeast ${rule.atLeast} is more than atMost ${rule.atMost}`, 'Lower atLeast, or raise atMost.', 'atLeast')
    const known = new Map(
      about[r]!.flatMap((layer) => fillings[layer]![rule.slot]).map((filled) => [filled.variant, filled] as const),
    )
    if (runs) known.set('no-op', { variant: 'no-op', block: 'no-op' })
    for (const key of ['only', 'forbid', 'block'] as const)
      for (const name of list(rule[key]))
        if (about[r]!.length > 0 && ![...known.values()].some((filled) => means(name, filled)))
          wrong(
            `no layer of this rule can have ${rule.slot} "${name}"`,
            `Name one of ${[...known.keys()].join(', ')}, or add it to space.${rule.slot}.`,
            key,
          )
  }
  return mistakes.length > 0 ? mistakes : contradictions(rules, about, fillings, runs)
}

function contradictions(
  rules: readonly ChoiceRule[],
  about: readonly (readonly number[])[],
  fillings: readonly Readonly<Record<Slot, readonly Filled[]>>[],
  runs: boolean,
): ChoiceMistake[] {
  const empty: Filled = { variant: 'no-op', block: 'no-op' }
  const left = fillings.map((own, layer) => {
    const of = (slot: Slot) => {
      const concerned = rules.filter((rule, r) => rule.slot === slot && about[r]!.includes(layer))
      const all = runs ? [...own[slot], empty] : own[slot]
      return all.filter((filled) => concerned.every((rule) => allows(rule, filled)))
    }
    return { attention: of('attention'), ffn: of('ffn') }
  })
  for (const [layer, own] of left.entries())
    for (const slot of slots) {
      if (own[slot].length > 0) continue
      const rule = rules.findLastIndex((one, r) => one.slot === slot && about[r]!.includes(layer))
      const others = rules.flatMap((one, r) =>
        r !== rule && one.slot === slot && about[r]!.includes(layer) ? [describeRule(one, r)] : [],
      )
      const together = others.length === 0 ? '' : ` together with ${others.join(' and ')}`
      const message = `this leaves nothing for ${slot} of layer ${layer}${together}`
      return [{ rule, message, remedy: 'Loosen one of these rules.' }]
    }
  return rules.flatMap((rule, r): ChoiceMistake[] => {
    const of = (layer: number) => left[layer]![rule.slot]
    const able = about[r]!.filter((layer) => of(layer).some((filled) => counts(rule, filled))).length
    const bound = about[r]!.filter((layer) => of(layer).every((filled) => counts(rule, filled))).length
    if (rule.atLeast !== undefined && able < rule.atLeast) {
      const message = `at least ${rule.atLeast} layers are asked for, but only ${able} can have it`
      return [{ rule: r, key: 'atLeast', message, remedy: `Lower atLeast to ${able}, or loosen the other rules.` }]
    }
    if (rule.atMost !== undefined && bound > rule.atMost) {
      const message = `at most ${rule.atMost} layers are allowed, but ${bound} can have nothing else`
      return [{ rule: r, key: 'atMost', message, remedy: `Raise atMost to ${bound}, or loosen the other rules.` }]
    }
    return []
  })
}
