import { solve } from '../../solver/index.js'
import { Failure, type JsonObject, type Outputs, type SingleStage, type Slot } from '../../api/index.js'
import type { ProfileOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput, SpaceInput, TargetInput } from '../../puzzle/inputs.js'
import { variants, type Variant } from '../../puzzle/library.js'
import { applyChoices, type Fillings } from '../../puzzle/choices.js'
import { loadsAtEach } from '../../puzzle/batch-loads.js'
import { headKinds, headsOf, loadsAtEachHead } from '../../puzzle/heads.js'
import { unmetAt, whyInfeasible, type UnmetAt } from '../../puzzle/infeasible-batches.js'
import { bounds } from '../../puzzle/limits.js'
import { optionCosts, yardsOf, type Loads } from '../../puzzle/loads.js'
import { runVariants } from '../../puzzle/run-variants.js'
import { openParent } from '../../puzzle/parent.js'
import { readTables } from '../../puzzle/problem-parts.js'
import { limitsOf } from '../../puzzle/scenarios.js'
import { parentLayers } from '../../puzzle/selection-problem.js'

/** What a run leaves of its layers but the first. */
const nothing = { variant: 'no-op', block: 'no-op' }

/** Refuses limits that no choice of variants can meet, alone or together, at any batch that may be chosen, before anything is
 *  trained. */
export const checkLimits: SingleStage<
  JsonObject,
  { readonly profile: ProfileOutputs },
  Outputs,
  ModelInput & SpaceInput & TargetInput
> = {
  name: 'check-limits',
  checks: true,
  version: 4,
  reads: ['model', 'space', 'target'],
  about: { summary: 'Ends the search early when nothing in the space can meet the limits.' },
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  /** A moment, beside the others. */
  resources: () => ({ work: {} }),

  async run(context) {
    const { spec, stages } = context
    const model = await openParent(context)
    const tables = await readTables(context, stages.profile.files)
    const wanted = limitsOf(spec.target)
    const parent = parentLayers(model)
    const of = (slot: Slot, layer: number) => variants(spec.space, slot, model, layer)
    const runs = runVariants(model, spec.space, context.runs)
    const rules = spec.target.choices ?? []
    const filled = ({ id, block, own }: Variant) => ({ variant: id, block, own })
    /** Why no choice meets the limits under these loads; undefined if one does. */
    const unmet = async (loads: Loads): Promise<UnmetAt | undefined> => {
      const yards = yardsOf(loads, parent)
      const limits = bounds(wanted, yards)
      // Scores do not matter here, only whether any choice meets the limits.
      const costsOf = (attention: string, ffn: string) => optionCosts({ ...loads, limits: wanted }, { attention, ffn })
      const options = model.config.blocks.map((_, layer) => [
        ...of('attention', layer).flatMap((attention) =>
          of('ffn', layer).map((ffn) => ({
            id: `${attention.id}+${ffn.id}`,
            score: 0,
            costs: costsOf(attention.id, ffn.id),
            fillings: [{ attention: filled(attention), ffn: filled(ffn) }],
          })),
        ),
        ...runs
          .filter((run) => run.layer === layer)
          .map(({ id, span, slots: { attention, ffn } }) => ({
            id,
            score: 0,
            costs: costsOf(attention.variant, ffn.variant),
            span,
            fillings: [
              { attention, ffn },
              ...Array<Fillings[number]>(span - 1).fill({ attention: nothing, ffn: nothing }),
            ],
          })),
      ])
      const ruled = applyChoices(rules, options)
      const result = await solve({
        layers: ruled.layers.map((layer) => ({ options: layer.map(({ fillings: _, ...option }) => option) })),
        limits: [...limits.map(({ cost, max }) => ({ cost, max })), ...ruled.limits],
        solutions: 1,
      })
      return result.status === 'infeasible' ? unmetAt(limits, rules, yards, result.infeasible) : undefined
    }
    const all: UnmetAt[] = []
    const { loads } = loadsAtEach(spec.target, tables, wanted, parent)
    for (const each of loadsAtEachHead(loads, headsOf(headKinds(spec.space)))) {
      const own = await unmet(each)
      // The outputs contain nothing about the limits, so later stages are reused when the limits change.
      if (!own) return { values: {}, files: {} }
      all.push(own)
    }
    throw new Failure('Infeasible', whyInfeasible(all), {
      remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).',
    })
  },
}
