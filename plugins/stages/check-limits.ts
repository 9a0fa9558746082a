import type { Scenario } from '../../model/index.js'
import { Failure, type JsonObject, type SingleStage } from '../api/index.js'
import type { CostTable } from './costs.js'
import { allVariants } from './distill-plan.js'
import { readJson } from './library.js'
import { bounds, describeUnmet, limitsOf, useOf } from './limits.js'
import { openParent } from './sequences.js'
import { parentCost, parentLayers } from './solving.js'

/** Refuses limits that no choice of variants can meet, before anything is trained. */
export const checkLimits: SingleStage = {
  name: 'check-limits',
  version: 3,
  reads: ['model', 'space', 'target'],
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { spec, stages } = context
    const table = await readJson<CostTable>(context, stages.profile!.files.costs!)
    const scenario = (spec.target as { scenario: JsonObject }).scenario as unknown as Scenario
    const model = await openParent(context)
    const parent = parentCost({ table, parent: parentLayers(model) })
    const all = allVariants(model, spec.space as JsonObject)
    const unmet = bounds(limitsOf(spec), parent, table.floor, scenario).flatMap((bound) => {
      const least = new Map<string, number>()
      for (const { layer, slot, variant } of all) {
        const use = useOf(bound.cost, table[slot][variant.id]!)
        least.set(`${layer}/${slot}`, Math.min(use, least.get(`${layer}/${slot}`) ?? Infinity))
      }
      const minimum = [...least.values()].reduce((a, b) => a + b, 0)
      return minimum > bound.max ? [describeUnmet(bound, minimum, { parent, floor: table.floor, scenario })] : []
    })
    if (unmet.length > 0)
      throw new Failure('Infeasible', unmet.join('; '), {
        remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).',
      })
    // Nothing of the limits: what comes after the gate does not depend on them, and stays when they change.
    return { values: {}, files: {} }
  },
}
