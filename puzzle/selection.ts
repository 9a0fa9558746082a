import type { Option, Problem } from '../solver/index.js'

/** Option ids by layer; the id of a run appears at all of its layers. */
export type Selection = readonly string[]

/** A selection and its measured degradation, which is minimised. */
export interface MeasuredSelection {
  readonly choice: Selection
  readonly value: number
}

interface ChosenOption {
  /** Its first layer. */
  readonly layer: number
  readonly option: Option
}

/** The options of a selection; one that spans several layers is listed once. */
export function chosenOptions({ layers }: Problem, choice: Selection): ChosenOption[] {
  const chosen: ChosenOption[] = []
  for (let layer = 0; layer < choice.length;) {
    const option = layers[layer]!.options.find(({ id }) => id === choice[layer])
    if (!option) throw new Error(`Internal error: layer ${layer} has no option ${choice[layer]}`)
    chosen.push({ layer, option })
    layer += option.span ?? 1
  }
  return chosen
}

/** Sum of the scores of a selection. */
export const scoreOf = (problem: Problem, choice: Selection): number =>
  chosenOptions(problem, choice).reduce((sum, { option }) => sum + option.score, 0)

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
