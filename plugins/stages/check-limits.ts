import type { Scenario } from '../../model/index.js'
import { solve } from '../../solver/index.js'
import { Failure, type JsonObject, type SingleStage } from '../api/index.js'
import { addCosts, totalCost, type CostTable } from './costs.js'
import { readJson } from './library.js'
import { bounds, describeInfeasible, limitsOf, useOf } from './limits.js'
import { openParent } from './sequences.js'

/** Refuses limits that no choice of variants can meet, alone or together, before anything is trained. */
export const checkLimits: SingleStage = {
  name: 'check-limits',
  version: 3,
  reads: ['model', 'target'],
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { spec, stages } = context
    const table = await readJson<CostTable>(context, stages.profile!.files.costs!)
    const scenario = (spec.target as { scenario: JsonObject }).scenario as unknown as Scenario
    const { layers } = (await openParent(context)).config
    const own = Array<{ attention: string; ffn: string }>(layers).fill({ attention: 'parent', ffn: 'parent' })
    const parent = totalCost(table, own)
    const limits = bounds(limitsOf(spec), parent, table.floor, scenario)
    // Scores aside: every choice is as good as any other, if there is one.
    const options = Object.entries(table.attention).flatMap(([attention, a]) =>
      Object.entries(table.ffn).map(([ffn, f]) => {
        const costs = Object.fromEntries(limits.map(({ cost }) => [cost, useOf(cost, addCosts(a, f))]))
        return { id: `${attention}+${ffn}`, score: 0, costs }
      }),
    )
    const result = await solve({
      layers: Array.from({ length: layers }, () => ({ options })),
      limits: limits.map(({ cost, max }) => ({ cost, max })),
      solutions: 1,
    })
    if (result.status === 'infeasible')
      throw new Failure(
        'Infeasible',
        describeInfeasible(limits, { parent, floor: table.floor, scenario }, result.infeasible),
        { remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).' },
      )
    // Nothing of the limits: what comes after the gate does not depend on them, and stays when they change.
    return { values: {}, files: {} }
  },
}
