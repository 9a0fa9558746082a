import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import { solve, type Option, type Problem } from '../solver/index.js'

/** Option ids by layer; the id of a run appears at all of its layers. */
export type Selection = readonly string[]

/** A selection and its measured degradation, which is minimised. */
export interface MeasuredSelection {
  readonly choice: Selection
  readonly value: number
}

/** Measures a selection. `anchor`: the measurements after it differ from it in few layers. */
export type Measure = (choice: Selection, anchor: boolean) => Promise<number>

/** What a search in context found. */
export interface FoundInContext {
  /** All selections that meet the limits and were measured, the best first. */
  readonly measured: readonly MeasuredSelection[]
  /** The problem with scores whose sums are near what was measured. */
  readonly problem: Problem
  readonly evaluations: number
}

/**
 * Improves selections by measuring whole ones. A score says what an option costs in the parent, not beside the other options of
 * a selection. So each option is measured in the best selection, in place of the chosen one; the problem is solved again with
 * these scores, for selections that differ in few layers and in more; those are measured; and the search goes on from the best
 * one that it has not looked at yet, until the budget is spent or nothing better comes. The same measurements lead to the same selections.
 * @param start        selections that meet the limits, at least one
 * @param evaluations  measurements of selections besides those of the start
 */
export async function searchInContext(
  problem: Problem,
  start: readonly Selection[],
  measure: Measure,
  evaluations: number,
  progress: (evaluations: number, best: number) => void = () => {},
): Promise<FoundInContext> {
  const known = new Map<string, MeasuredSelection>()
  const anchors = new Set<string>()
  let left = evaluations
  const value = async (choice: Selection, anchor = false): Promise<number> => {
    const key = JSON.stringify(choice)
    const before = known.get(key)
    if (before && !anchor) return before.value
    const measured = { choice, value: await measure(choice, anchor) }
    known.set(key, measured)
    if (!before) left--
    return measured.value
  }
  const allowed = () =>
    [...known.values()].filter(({ choice }) => meets(problem, choice)).sort((a, b) => a.value - b.value)

  for (const choice of start) await value(choice)
  left = evaluations
  let current = problem
  let fruitless = 0
  while (left > 0 && fruitless < mostFruitless) {
    const best = allowed()[0]!.value
    const anchor = allowed().find(({ choice }) => !anchors.has(JSON.stringify(choice)))
    if (!anchor) break
    anchors.add(JSON.stringify(anchor.choice))
    await value(anchor.choice, true)
    // The sum of scores is brought to what was measured: options that are not measured here are judged by it.
    const sum = scoreOf(current, anchor.choice)
    const scaled =
      sum > 0 && anchor.value > 0 ? withScores(current, ({ score }) => (score * anchor.value) / sum) : current
    const scores = new Map<Option, number>()
    // Half of what is left remains for what comes out of it.
    for (const { layer, own, option } of alternatives(scaled, anchor.choice).slice(0, Math.ceil(left / 2))) {
      const changed = anchor.choice.map((id, i) => (i === layer ? option.id : id))
      scores.set(option, own.score + (await value(changed)) - anchor.value)
      progress(evaluations - left, allowed()[0]!.value)
    }
    current = withScores(scaled, (option) => scores.get(option) ?? option.score)
    for (let before = left + 1; left > 0 && left < before;) {
      before = left
      const learned = withMeasured(current, [...known.values()])
      for (const layers of radii(problem.layers.length))
        for (const { choice } of (await solve(near(learned, allowed()[0]!.choice, layers))).solutions)
          if (left > 0) {
            await value(choice)
            progress(evaluations - left, allowed()[0]!.value)
          }
    }
    fruitless = allowed()[0]!.value < best ? 0 : fruitless + 1
  }
  const measured = allowed()
  return { measured, problem: withMeasured(current, [...known.values()]), evaluations: evaluations - left }
}

/** Selections in a row that the search goes on from without finding a better one. */
const mostFruitless = 3

/** In how many layers selections may differ from the one that scores were measured in: 2, 4, 8 …, all. */
function radii(layers: number): number[] {
  const few: number[] = []
  for (let n = 2; n < layers; n *= 2) few.push(n)
  return [...few, layers]
}

/** Solutions that are measured of each radius. */
const solutionsOfEach = 4

/** Sum of the scores of a selection. */
export const scoreOf = (problem: Problem, choice: Selection): number =>
  chosenOptions(problem, choice).reduce((sum, { option }) => sum + option.score, 0)

/** The options of a selection with their first layers; one that spans several layers is listed once. */
function chosenOptions({ layers }: Problem, choice: Selection): { readonly layer: number; readonly option: Option }[] {
  const chosen: { layer: number; option: Option }[] = []
  for (let layer = 0; layer < choice.length;) {
    const option = layers[layer]!.options.find(({ id }) => id === choice[layer])
    if (!option) throw new Error(`Internal error: layer ${layer} has no option ${choice[layer]}`)
    chosen.push({ layer, option })
    layer += option.span ?? 1
  }
  return chosen
}

/** Whether a selection meets the limits, and its options have what they require. */
export function meets(problem: Problem, choice: Selection): boolean {
  const chosen = chosenOptions(problem, choice)
  const has = ({ layer, option }: { readonly layer: number; readonly option: string }) =>
    chosen.some((own) => own.layer === layer && own.option.id === option)
  return (
    chosen.every(({ option }) => (option.requires ?? []).every(has)) &&
    (problem.limits ?? []).every(
      ({ cost, max }) => chosen.reduce((sum, { option }) => sum + option.costs[cost]!, 0) <= max,
    )
  )
}

/** How far sums of scores may stay from measured values, as a share of the variance that scores are allowed. */
const noise = 0.1

/**
 * Brings sums of scores near to measured values: ridge regression of what the sums miss on the options of the selections, in
 * its dual form (two selections are as alike as they have options in common). The better a selection, the more it counts.
 */
function withMeasured(problem: Problem, measured: readonly MeasuredSelection[]): Problem {
  const options = measured.map(({ choice }) => chosenOptions(problem, choice).map(({ option }) => option))
  const sets = options.map((own) => new Set(own))
  const least = Math.min(...measured.map(({ value }) => value))
  const alike = sets.map((a, i) =>
    options.map((b, j) => {
      const common = b.filter((option) => a.has(option)).length / problem.layers.length
      return common + (i === j ? noise * (least > 0 ? (measured[i]!.value / least) ** 2 : 1) : 0)
    }),
  )
  const missed = measured.map(({ value }, i) => value - options[i]!.reduce((sum, { score }) => sum + score, 0))
  const weights = new CholeskyDecomposition(new Matrix(alike)).solve(Matrix.columnVector(missed)).getColumn(0)
  const learned = new Map<Option, number>()
  for (const [i, own] of options.entries())
    for (const option of own) learned.set(option, (learned.get(option) ?? 0) + weights[i]! / problem.layers.length)
  return withScores(problem, (option) => option.score + (learned.get(option) ?? 0))
}

const withScores = (problem: Problem, score: (option: Option) => number): Problem => ({
  ...problem,
  layers: problem.layers.map(({ options }) => ({
    options: options.map((option) => ({ ...option, score: score(option) })),
  })),
})

interface Alternative {
  readonly layer: number
  /** What the selection has there. */
  readonly own: Option
  readonly option: Option
}

/** What a single layer of a selection could have instead, those with the nearest scores first. Left out is what another option
 *  of the layer beats in score and in all limited costs; and runs of layers and what goes with them. */
function alternatives(problem: Problem, choice: Selection): Alternative[] {
  const limited = (problem.limits ?? []).map(({ cost }) => cost)
  const alone = ({ span = 1, requires = [] }: Option) => span === 1 && requires.length === 0
  const beats = (a: Option, b: Option) => a.score < b.score && limited.every((name) => a.costs[name]! <= b.costs[name]!)
  return chosenOptions(problem, choice)
    .filter(({ option }) => alone(option))
    .flatMap(({ layer, option: own }) => {
      const { options } = problem.layers[layer]!
      return options
        .filter((option) => option.id !== own.id && alone(option) && !options.some((other) => beats(other, option)))
        .map((option): Alternative => ({ layer, own, option }))
    })
    .map((own, i) => ({ own, i, far: Math.abs(own.option.score - own.own.score) }))
    .sort((a, b) => a.far - b.far || a.i - b.i)
    .map(({ own }) => own)
}

/** The problem of the selections that differ from this one in so many layers at most. */
function near(problem: Problem, choice: Selection, layers: number): Problem {
  return {
    ...problem,
    solutions: solutionsOfEach,
    minimumDifference: 0,
    layers: problem.layers.map(({ options }, layer) => ({
      options: options.map((option) => ({
        ...option,
        costs: { ...option.costs, changed: option.id === choice[layer] ? 0 : (option.span ?? 1) },
      })),
    })),
    limits: [...(problem.limits ?? []), { cost: 'changed', max: layers }],
  }
}
