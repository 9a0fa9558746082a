import type { Model, Scenario } from '../model/index.js'
import type { Problem } from '../solver/index.js'
import type { Slot } from '../api/index.js'
import { addCosts, runtime, throughputOf, totalCost, type Cost, type CostTable } from './costs.js'
import type { DepthStep } from './depth-step.js'
import { entryId, ownVariant, type Choice, type LibraryEntry } from './library.js'
import type { Limit } from './limit.js'
import { bounds } from './limits.js'
import { applyChoices, type ChoiceRule, type Fillings } from './choices.js'
import { emptyEntry } from './run-variants.js'
import type { Composition, ScoreRow } from './score-row.js'

/** A choice of the solver. */
export interface Solution {
  /** Library entries by layer. */
  readonly choice: Choice
  /** Predicted KL. */
  readonly objective: number
  /** Runs of layers that are replaced as one. Absent where there are none. */
  readonly runs?: readonly ChosenRun[]
  /** All removals of whole layers, where there are several and some of their scores were added up though each was
   *  measured alone: together they may do much more. */
  readonly addedUp?: readonly ChosenRun[]
  readonly predicted: {
    readonly throughput: number
    readonly runtime: number
    readonly memoryBytes: number
    readonly parameters: number
  }
}

/** A replacement of neighbouring layers. */
export interface ChosenRun {
  /** The first. */
  readonly layer: number
  readonly span: number
  /** Run type and length, `fuse-ffn-2`; or variants of one layer, `no-op+no-op`. */
  readonly run: string
}

/** Everything that the selection problem is made from. */
export interface ProblemParts {
  readonly rows: readonly ScoreRow[]
  readonly composition: Composition
  readonly library: ReadonlyMap<string, LibraryEntry>
  /** Order in which whole layers may go, where any may. */
  readonly depth?: readonly DepthStep[]
  readonly table: CostTable
  readonly scenario: Scenario
  readonly limits: readonly Limit[]
  /** Rules for choices; none if absent. */
  readonly rules?: readonly ChoiceRule[]
  /** Variants that the parent has, by layer. */
  readonly parent: readonly Layer[]
}

/** Variants of a layer. */
interface Layer {
  readonly attention: string
  readonly ffn: string
}

/** Variants that a model has, by layer. */
export const parentLayers = (model: Model): Layer[] =>
  model.config.blocks.map((_, layer) => ({
    attention: ownVariant(model, layer, 'attention'),
    ffn: ownVariant(model, layer, 'ffn'),
  }))

/** An option of the selection problem, and the library entries that it stands for. */
interface LayerOption {
  readonly id: string
  readonly score: number
  readonly entries: { readonly attention: string; readonly ffn: string }
  readonly costs: Readonly<Record<'runtime' | 'memory' | 'parameters', number>>
  readonly span?: number
  /** Stands for a run of layers, be it of one. */
  readonly isRun?: boolean
  readonly requires?: readonly { readonly layer: number; readonly option: string }[]
}

const asCosts = (cost: Cost) => ({ runtime: runtime(cost), memory: cost.memoryBytes, parameters: cost.parameters })

/** Replacements of runs that begin at a layer. The layers behind the first one use nothing. */
const runOptions = (rows: readonly ScoreRow[], layer: number, table: CostTable): LayerOption[] =>
  rows.flatMap(({ run, span, kl, entries, attention, ffn, ...row }) =>
    run === undefined || span === undefined || row.layer !== layer
      ? []
      : [
          {
            id: run,
            score: kl,
            entries,
            isRun: true,
            costs: asCosts(addCosts(table.attention[attention]!, table.ffn[ffn]!)),
            ...(span > 1 && { span }),
          },
        ],
  )

const dropped = 'drop-1'

/**
 * Removals of whole layers cost what each adds to those before it in the order, and need them: so sums of removals are what
 * was measured. Others are left out, and so is the same removal by way of its two slots, where it is one.
 */
function conditional(
  options: readonly LayerOption[],
  layer: number,
  own: Layer,
  depth: readonly DepthStep[] | undefined,
): LayerOption[] {
  if (!depth) return [...options]
  const k = depth.findIndex((step) => step.layer === layer)
  const before = depth[k - 1]
  return options.flatMap((option): LayerOption[] => {
    if (option.id === 'no-op+no-op' && `${own.attention}+${own.ffn}` !== option.id) return []
    if (option.id !== dropped) return [option]
    if (k < 0) return []
    return [
      {
        ...option,
        score: depth[k]!.cumulative - (before?.cumulative ?? 0),
        ...(before && { requires: [{ layer: before.layer, option: dropped }] }),
      },
    ]
  })
}

/** The order up to the first layer whose removal was left out of the scores: those behind it need that one. */
function possible(
  depth: readonly DepthStep[] | undefined,
  rows: readonly ScoreRow[],
): readonly DepthStep[] | undefined {
  const scored = new Set(rows.filter(({ run }) => run === dropped).map(({ layer }) => layer))
  const end = depth?.findIndex(({ layer }) => !scored.has(layer)) ?? -1
  return end < 0 ? depth : depth!.slice(0, end)
}

/** Options of every layer: pairs of entries, those trained for each other with their own score. */
export function layerOptions({ rows, composition, table, parent, depth }: ProblemParts): LayerOption[][] {
  const scores = new Map<string, ScoreRow>()
  const order = possible(depth, rows)
  for (const row of rows)
    if (row.run === undefined) scores.set(`${row.layer}/${row.slot}/${row.attention}/${row.ffn}`, row)
  return parent.map((own, layer) => {
    const ids = (slot: Slot) => Object.keys(table[slot])
    const pairs = ids('attention').flatMap((attention): LayerOption[] =>
      ids('ffn').flatMap((ffn) => {
        const found = option(scores, layer, { attention, ffn }, own, composition)
        if (!found) return []
        const cost = addCosts(table.attention[attention]!, table.ffn[ffn]!)
        return [
          {
            id: `${attention}+${ffn}`,
            ...found,
            costs: asCosts(cost),
          },
        ]
      }),
    )
    return conditional([...pairs, ...runOptions(rows, layer, table)], layer, own, order)
  })
}

function option(
  scores: ReadonlyMap<string, ScoreRow>,
  layer: number,
  { attention, ffn }: Layer,
  parent: Layer,
  composition: Composition,
): { score: number; entries: { attention: string; ffn: string } } | undefined {
  const exact = scores.get(`${layer}/block/${attention}/${ffn}`)
  if (exact) return { score: exact.kl, entries: exact.entries }
  const entries = {
    attention: entryId(layer, 'attention', attention, 'parent'),
    ffn: entryId(layer, 'ffn', ffn, 'parent'),
  }
  const a = attention === parent.attention ? 0 : scores.get(`${layer}/attention/${attention}/${parent.ffn}`)?.kl
  const f = ffn === parent.ffn ? 0 : scores.get(`${layer}/ffn/${parent.attention}/${ffn}`)?.kl
  if (a === undefined || f === undefined) return undefined
  return { score: composition === 'sum' ? a + f : Math.hypot(a, f), entries }
}

/** The selection problem, with limits as bounds on the slots' sums. */
export function makeProblem(
  parts: ProblemParts,
  options: {
    readonly solutions: number
    readonly minimumDifference: number
    readonly gap: number
    readonly seed: number
  },
  correction: Readonly<Partial<Record<Limit['name'], number>>> = {},
): Problem {
  const own = layerOptions(parts)
  const limits = bounds(parts.limits, parentCost(parts), parts.table.floor, parts.scenario, correction)
  const ruled = applyChoices(
    parts.rules ?? [],
    own.map((layer, i) => layer.map((option) => ({ ...option, fillings: fillingsOf(parts, option, i) }))),
  )
  return {
    layers: ruled.layers.map((layer) => ({
      options: layer.map(({ entries: _, isRun: __, fillings: ___, ...option }) => option),
    })),
    limits: [...limits.map(({ cost, max }) => ({ cost, max })), ...ruled.limits],
    ...options,
  }
}

/** What an option puts into its layers: all but the first of a run become empty. */
function fillingsOf({ library, parent }: ProblemParts, { entries, span = 1 }: LayerOption, layer: number): Fillings {
  const of = (slot: Slot) => {
    const { variant, block } = library.get(entries[slot])!
    return { variant, block, own: variant === parent[layer]![slot] }
  }
  const empty = { variant: 'no-op', block: 'no-op' }
  return Array.from({ length: span }, (_, n) =>
    n === 0 ? { attention: of('attention'), ffn: of('ffn') } : { attention: empty, ffn: empty },
  )
}

/** Predicted costs of the parent. */
export const parentCost = ({ table, parent }: Pick<ProblemParts, 'table' | 'parent'>): Cost => totalCost(table, parent)

/** The solver's option ids as entries, with predicted costs of the whole model. */
export function toSolution(parts: ProblemParts, ids: readonly string[], objective: number): Solution {
  const own = layerOptions(parts)
  const choice: { attention: string; ffn: string }[] = []
  const runs: ChosenRun[] = []
  const removals: ChosenRun[] = []
  // A run's id stands at all of its layers; its blocks are in the first one.
  while (choice.length < ids.length) {
    const first = choice.length
    const option = own[first]!.find((o) => o.id === ids[first])!
    const { entries, span = 1 } = option
    const chosen = { layer: first, span, run: option.id }
    if (option.isRun) runs.push(chosen)
    if (removes(parts, option, first)) removals.push(chosen)
    choice.push(entries)
    for (let layer = first + 1; layer < first + span; layer++)
      choice.push({ attention: emptyEntry(layer, 'attention'), ffn: emptyEntry(layer, 'ffn') })
  }
  // Single removals in the order of `depth` were measured together.
  const apart = removals.some(
    ({ layer, run }) => !(run === dropped && parts.depth?.some((step) => step.layer === layer)),
  )
  return {
    choice,
    objective,
    ...(runs.length > 0 && { runs }),
    ...(removals.length > 1 && apart && { addedUp: removals }),
    predicted: predict(parts, choice),
  }
}

/** Whether an option leaves nothing of its layers. */
function removes({ library, parent }: ProblemParts, { entries, isRun }: LayerOption, layer: number): boolean {
  const empty = [entries.attention, entries.ffn].every((id) => library.get(id)?.block === 'no-op')
  const { attention, ffn } = parent[layer]!
  return empty && (isRun === true || attention !== 'no-op' || ffn !== 'no-op')
}

/** Predicted costs of a choice of entries. */
export function predict(
  parts: Pick<ProblemParts, 'library' | 'table' | 'scenario'>,
  choice: Choice,
): Solution['predicted'] {
  const variant = (id: string) => parts.library.get(id)!.variant
  const cost = totalCost(
    parts.table,
    choice.map((own) => ({ attention: variant(own.attention), ffn: variant(own.ffn) })),
  )
  return {
    throughput: throughputOf(parts.scenario, cost),
    runtime: runtime(cost),
    memoryBytes: cost.memoryBytes,
    parameters: cost.parameters,
  }
}
