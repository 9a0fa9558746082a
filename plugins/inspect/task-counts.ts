import { mostTasks, slots, type Slot } from '../../api/index.js'
import type { InputProblem } from '../../spec/registry.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'

/** Variants of each slot in a layer, the parent's block not counted. */
export type VariantCounts = Readonly<Record<Slot, number>>

/**
 * Stages that would plan more tasks than a stage can have, so many that listing them would already be too much.
 * @param stages  of the plan
 */
export function tooManyTasks(
  stages: readonly Pick<PlannedStage, 'name' | 'uses' | 'params'>[],
  layers: number,
  counts: VariantCounts,
): InputProblem[] {
  const singles = layers * slots.reduce((sum, slot) => sum + counts[slot], 0)
  const pairs = layers * slots.reduce((product, slot) => product * counts[slot], 1)
  return stages.flatMap(({ name, uses, params }): InputProblem[] => {
    const everyPair = [params.mode === 'coupled' && 'mode', params.pairs === 'all' && 'pairs'].find((key) => key)
    if (uses !== 'distill' && uses !== 'score') return []
    const tasks = singles + (everyPair ? pairs : 0)
    if (tasks <= mostTasks) return []
    const path = everyPair ? ['stages', name, everyPair] : ['space']
    const of = slots.map((slot) => `${counts[slot]} variants of ${slot}`).join(' and ')
    return [
      {
        path,
        code: 'too-many-tasks',
        message: `With ${of} in each of ${layers} layers, ${name} has about ${tasks} tasks; a stage can have at most ${mostTasks}.`,
        hint: everyPair
          ? `leave ${everyPair} out, or shorten the lists of \`space\``
          : 'shorten the lists of `space`: each variant is trained and scored in every layer',
      },
    ]
  })
}
