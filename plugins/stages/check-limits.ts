import type { Scenario } from '../../model/index.js'
import { Failure, type JsonObject, type SingleStage } from '../api/index.js'
import { totalCost, type Cost, type CostTable } from './costs.js'
import { readJson } from './library.js'
import { bounds, describeUnmet, limitsOf, useOf } from './limits.js'
import { openParent } from './sequences.js'

/** Refuses limits that no choice of variants can meet, before anything is trained. */
export const checkLimits: SingleStage = {
  name: 'check-limits',
  version: 2,
  reads: ['model', 'target'],
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { spec, stages } = context
    const table = await readJson<CostTable>(context, stages.profile!.files.costs!)
    const scenario = (spec.target as { scenario: JsonObject }).scenario as unknown as Scenario
    const model = await openParent(context)
    const { layers } = model.config
    const parent = totalCost(
      table,
      Array(layers).fill({ attention: 'parent', ffn: 'parent' }) as { attention: string; ffn: string }[],
    )
    const unmet = bounds(limitsOf(spec), parent, table.floor, scenario).flatMap((bound) => {
      const least = (own: Readonly<Record<string, Cost>>) =>
        Math.min(...Object.values(own).map((cost) => useOf(bound.cost, cost)))
      const minimum = layers * (least(table.attention) + least(table.ffn))
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
