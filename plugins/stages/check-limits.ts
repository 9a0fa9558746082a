import { solve } from '../../solver/index.js'
import { Failure, type JsonObject, type Outputs, type SingleStage, type Slot } from '../../api/index.js'
import { addCosts } from '../../puzzle/costs.js'
import type { ProfileOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput, SpaceInput, TargetInput } from '../../puzzle/inputs.js'
import { readJson, variants } from '../../puzzle/library.js'
import { bounds, describeInfeasible, limitsOf, useOf } from '../../puzzle/limits.js'
import { runVariants } from '../../puzzle/run-variants.js'
import { openParent } from '../../puzzle/parent.js'
import { parentCost, parentLayers } from '../../puzzle/selection-problem.js'

/** Refuses limits that no choice of variants can meet, alone or together, before anything is trained. */
export const checkLimits: SingleStage<
  JsonObject,
  { readonly profile: ProfileOutputs },
  Outputs,
  ModelInput & SpaceInput & TargetInput
> = {
  name: 'check-limits',
  version: 4,
  reads: ['model', 'space', 'target'],
  about: { summary: 'Ends the search early when nothing in the space can meet the limits.' },
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { spec, stages } = context
    const table = await readJson(context, stages.profile.files.costs)
    const { scenario } = spec.target
    const model = await openParent(context)
    const parent = parentCost({ table, parent: parentLayers(model) })
    const limits = bounds(limitsOf(spec.target), parent, table.floor, scenario)
    const of = (slot: Slot, layer: number) => variants(spec.space, slot, model, layer)
    // Scores do not matter here, only whether any choice meets the limits.
    const costsOf = (attention: string, ffn: string) => {
      const use = addCosts(table.attention[attention]!, table.ffn[ffn]!)
      return Object.fromEntries(limits.map(({ cost }) => [cost, useOf(cost, use)]))
    }
    const runs = runVariants(model, spec.space, context.runs)
    const layers = model.config.blocks.map((_, layer) => ({
      options: [
        ...of('attention', layer).flatMap((attention) =>
          of('ffn', layer).map((ffn) => ({
            id: `${attention.id}+${ffn.id}`,
            score: 0,
            costs: costsOf(attention.id, ffn.id),
          })),
        ),
        ...runs
          .filter((run) => run.layer === layer)
          .map(({ id, span, slots }) => ({
            id,
            score: 0,
            costs: costsOf(slots.attention.variant, slots.ffn.variant),
            span,
          })),
      ],
    }))
    const result = await solve({
      layers,
      limits: limits.map(({ cost, max }) => ({ cost, max })),
      solutions: 1,
    })
    if (result.status === 'infeasible')
      throw new Failure(
        'Infeasible',
        describeInfeasible(limits, { parent, floor: table.floor, scenario }, result.infeasible),
        { remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).' },
      )
    // The outputs contain nothing about the limits, so later stages are reused when the limits change.
    return { values: {}, files: {} }
  },
}
