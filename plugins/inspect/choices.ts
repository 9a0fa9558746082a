import type { Runs, Slot } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import { choiceMistakes } from '../../puzzle/choices.js'
import { variants } from '../../puzzle/library.js'
import { runVariants } from '../../puzzle/run-variants.js'
import type { InputProblem } from '../../spec/registry.js'
import type { PuzzleInputs } from './puzzle-inputs.js'

/** Mistakes and contradictions in `target.choices`, before anything is trained or measured. */
export function inspectChoices(model: Model, { space, target }: PuzzleInputs, runs: Runs): InputProblem[] {
  const rules = target?.choices ?? []
  if (rules.length === 0) return []
  const of = (layer: number, slot: Slot) =>
    variants(space, slot, model, layer).map(({ id, block, own }) => ({ variant: id, block, own }))
  const fillings = model.config.blocks.map((_, layer) => ({ attention: of(layer, 'attention'), ffn: of(layer, 'ffn') }))
  return choiceMistakes(rules, fillings, runVariants(model, space, runs).length > 0).map(
    ({ rule, key, message, remedy }) => ({
      path: ['target', 'choices', rule, ...(key ? [key] : [])],
      code: 'impossible-choice',
      message,
      hint: remedy,
    }),
  )
}
