import type { HeadWeights, Model } from '../model/index.js'
import type { Problem } from '../solver/index.js'
import type { Slot } from '../api/index.js'
import { batchesOf, type Batches } from './batches.js'
import { runtime, throughputOf } from './costs.js'
import type { DepthStep } from './depth-step.js'
import { entryId, ownVariant, type Choice, type LibraryEntry } from './library.js'
import type { ChosenHead } from './heads.js'
import type { Limit } from './limit.js'
import { bounds } from './limits.js'
import { optionCosts, yardsOf, type Loads } from './loads.js'
import { choiceCost } from './predicted-speeds.js'
import { applyChoices, type ChoiceRule, type Fillings } from './choices.js'
import { emptyEntry } from './run-variants.js'
import { degradationOf, type Composition, type ScoreRow } from './score-row.js'

/** A solution of the selection problem. */
export interface Solution {
  /** Library entries by layer. */
  readonly choice: Choice
  /** Predicted degradation: KL in nats per token, unless scores have another objective. */
  readonly objective: number
  /** Runs of layers that are replaced as one; absent if there are none. */
  readonly runs?: readonly ChosenRun[]
  /** All removals of whole layers, if there are several and some of them were only measured alone: together, they may do more
   *  damage than the sum of their scores. */
  readonly addedUp?: readonly ChosenRun[]
  readonly predicted: {
    readonly throughput: number
    readonly runtime: number
    readonly memoryBytes: number
    readonly parameters: number
  }
  /** Sequences at once of the child and of the parent beside it, where the search has chosen them. */
  readonly batches?: Batches
  /** Type of the child's head; absent if it is the parent's. */
  readonly head?: HeadWeights
}

/** A replacement of adjacent layers. */
export interface ChosenRun {
  /** The first of the layers. */
  readonly layer: number
  readonly span: number
  /** Run type and length, such as `fuse-ffn-2`; or variants of one layer, such as `no-op+no-op`. */
  readonly run: string
}

/** Everything that the selection problem is created from. */
export interface ProblemParts extends Loads, ChosenHead {
  readonly rows: readonly ScoreRow[]
  readonly composition: Composition
  readonly library: ReadonlyMap<string, LibraryEntry>
  /** Order in which whole layers may be removed; absent if none may. */
  readonly depth?: readonly DepthStep[]
  readonly limits: readonly Limit[]
  /** Rules for choices. Default: none. */
  readonly rules?: readonly ChoiceRule[]
  /** The parent's variants by layer. */
  readonly parent: readonly Layer[]
  /** Those of the model that scores are relative to. @default the parent's */
  readonly base?: readonly Layer[]
  /** Scores that take the place of those from `rows`. Default: none. */
  readonly inContext?: OptionScores
}

/** Scores of options, by layer and the option's id. */
export type OptionScores = readonly Readonly<Record<string, number>>[]

/** The variants in the slots of a layer. */
interface Layer {
  readonly attention: string
  readonly ffn: string
}

/** Returns a model's variants by layer. */
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
  readonly costs: ReturnType<typeof optionCosts>
  readonly span?: number
  /** Whether it replaces a run of layers, which may consist of one. */
  readonly isRun?: boolean
  readonly requires?: readonly { readonly layer: number; readonly option: string }[]
}

/** Returns the replacements of runs that begin at a layer. All but the first layer cost nothing. */
const runOptions = (parts: ProblemParts, layer: number): LayerOption[] =>
  parts.rows.flatMap(({ run, span, entries, attention, ffn, ...row }) =>
    run === undefined || span === undefined || row.layer !== layer
      ? []
      : [
          {
            id: run,
            score: degradationOf(row),
            entries,
            isRun: true,
            costs: optionCosts(parts, { attention, ffn }),
            ...(span > 1 && { span }),
          },
        ],
  )

const dropped = 'drop-1'

/**
 * Makes the removal of a whole layer conditional on the removals before it in the order of `depth`. Its score is what it adds
 * to them, so that the scores add up to the measured KL. Removals outside this order are left out, and so is the equivalent
 * removal of both slots.
 */
function conditional(
  options: readonly LayerOption[],
  layer: number,
  own: Layer,
  depth: readonly DepthStep[] | undefined,
  byKl: boolean,
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
        // Together, removals were only measured by their KL.
        ...(byKl && { score: depth[k]!.cumulative - (before?.cumulative ?? 0) }),
        ...(before && { requires: [{ layer: before.layer, option: dropped }] }),
      },
    ]
  })
}

/** Cuts the order of removals before the first layer that has no score, since later removals depend on it. */
function possible(
  depth: readonly DepthStep[] | undefined,
  rows: readonly ScoreRow[],
): readonly DepthStep[] | undefined {
  const scored = new Set(rows.filter(({ run }) => run === dropped).map(({ layer }) => layer))
  const end = depth?.findIndex(({ layer }) => !scored.has(layer)) ?? -1
  return end < 0 ? depth : depth!.slice(0, end)
}

/** Lists the options of every layer: pairs of entries. Those that were trained together have a score of their own. */
export function layerOptions(parts: ProblemParts): LayerOption[][] {
  const { rows, composition, table, parent, base = parent, depth, inContext } = parts
  const scores = new Map<string, ScoreRow>()
  const order = possible(depth, rows)
  const byKl = rows.every((row) => row.judged === undefined)
  for (const row of rows)
    if (row.run === undefined) scores.set(`${row.layer}/${row.slot}/${row.attention}/${row.ffn}`, row)
  return base.map((own, layer) => {
    const ids = (slot: Slot) => Object.keys(table[slot])
    const pairs = ids('attention').flatMap((attention): LayerOption[] =>
      ids('ffn').flatMap((ffn) => {
        const found = option(scores, layer, { attention, ffn }, own, composition)
        if (!found) return []
        return [{ id: `${attention}+${ffn}`, ...found, costs: optionCosts(parts, { attention, ffn }) }]
      }),
    )
    return conditional([...pairs, ...runOptions(parts, layer)], layer, own, order, byKl).map((option) => ({
      ...option,
      score: inContext?.[layer]?.[option.id] ?? option.score,
    }))
  })
}

function option(
  scores: ReadonlyMap<string, ScoreRow>,
  layer: number,
  { attention, ffn }: Layer,
  base: Layer,
  composition: Composition,
): { score: number; entries: { attention: string; ffn: string } } | undefined {
  const exact = scores.get(`${layer}/block/${attention}/${ffn}`)
  if (exact) return { score: degradationOf(exact), entries: exact.entries }
  const entries = {
    attention: entryId(layer, 'attention', attention, 'parent'),
    ffn: entryId(layer, 'ffn', ffn, 'parent'),
  }
  const single = (key: string) => {
    const row = scores.get(key)
    return row && degradationOf(row)
  }
  const a = attention === base.attention ? 0 : single(`${layer}/attention/${attention}/${base.ffn}`)
  const f = ffn === base.ffn ? 0 : single(`${layer}/ffn/${base.attention}/${ffn}`)
  if (a === undefined || f === undefined) return undefined
  return { score: composition === 'sum' ? a + f : Math.hypot(a, f), entries }
}

/** Creates the selection problem, with limits as bounds on the sums over slots.
 *  @source Bercovich et al., "Puzzle", arXiv 2411.19146 (mixed-integer program) */
export function makeProblem(
  parts: ProblemParts,
  options: {
    readonly solutions: number
    readonly minimumDifference: number
    readonly gap: number
    readonly seed: number
  },
  correction: Readonly<Record<string, number>> = {},
): Problem {
  const optionsByLayer = layerOptions(parts)
  const limits = bounds(parts.limits, yardsOf(parts, parts.parent), correction)
  const ruled = applyChoices(
    parts.rules ?? [],
    optionsByLayer.map((layer, i) => layer.map((option) => ({ ...option, fillings: fillingsOf(parts, option, i) }))),
  )
  return {
    layers: ruled.layers.map((layer) => ({
      options: layer.map(({ entries: _, isRun: __, fillings: ___, ...option }) => option),
    })),
    limits: [...limits.map(({ cost, max }) => ({ cost, max })), ...ruled.limits],
    ...options,
  }
}

/** Lists what an option puts into its layers: all but the first of a run become empty. */
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

/** Converts the solver's option ids to entries, and predicts the costs of the whole model. */
export function toSolution(parts: ProblemParts, ids: readonly string[], objective: number): Solution {
  const optionsByLayer = layerOptions(parts)
  const choice: { attention: string; ffn: string }[] = []
  const runs: ChosenRun[] = []
  const removals: ChosenRun[] = []
  // A run's id appears at each of its layers; its blocks are in the first one.
  while (choice.length < ids.length) {
    const first = choice.length
    const option = optionsByLayer[first]!.find((o) => o.id === ids[first])!
    const { entries, span = 1 } = option
    const chosen = { layer: first, span, run: option.id }
    if (option.isRun) runs.push(chosen)
    if (removes(parts, option, first)) removals.push(chosen)
    choice.push(entries)
    for (let layer = first + 1; layer < first + span; layer++)
      choice.push({ attention: emptyEntry(layer, 'attention'), ffn: emptyEntry(layer, 'ffn') })
  }
  // Single removals in the order of `depth` were measured together; others were not.
  const apart = removals.some(
    ({ layer, run }) => !(run === dropped && parts.depth?.some((step) => step.layer === layer)),
  )
  const batches = batchesOf(parts.scenario)
  return {
    choice,
    objective: objective + (parts.headScore ?? 0),
    ...(runs.length > 0 && { runs }),
    ...(removals.length > 1 && apart && { addedUp: removals }),
    predicted: predict(parts, choice),
    ...(batches && { batches }),
    ...(parts.head && { head: parts.head }),
  }
}

/** Converts a solution back to the solver's option ids. */
export function toOptions(parts: ProblemParts, { choice, runs = [] }: Pick<Solution, 'choice' | 'runs'>): string[] {
  return layerOptions(parts).flatMap((options, layer) => {
    const run = runs.find((own) => own.layer <= layer && layer < own.layer + own.span)
    if (run) return [run.run]
    const { attention, ffn } = choice[layer]!
    const option = options.find(
      ({ entries, isRun }) => !isRun && entries.attention === attention && entries.ffn === ffn,
    )
    if (!option) throw new Error(`Internal error: no option of layer ${layer} has ${attention} and ${ffn}`)
    return [option.id]
  })
}

/** Whether an option removes its layers entirely. */
function removes({ library, parent }: ProblemParts, { entries, isRun }: LayerOption, layer: number): boolean {
  const empty = [entries.attention, entries.ffn].every((id) => library.get(id)?.block === 'no-op')
  const { attention, ffn } = parent[layer]!
  return empty && (isRun === true || attention !== 'no-op' || ffn !== 'no-op')
}

/** Predicts the costs of a choice of entries. */
export function predict(
  parts: Pick<ProblemParts, 'library' | 'table' | 'scenario'>,
  choice: Choice,
): Solution['predicted'] {
  const cost = choiceCost(parts.library, parts.table, choice)
  return {
    throughput: throughputOf(parts.scenario, cost),
    runtime: runtime(cost),
    memoryBytes: cost.memoryBytes,
    parameters: cost.parameters,
  }
}
