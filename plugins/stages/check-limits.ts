import type { Scenario } from '../../model/index.js'
import { Failure, type JsonObject, type SingleStage } from '../api/index.js'
import { runtime, totalCost, type Cost, type CostTable } from './costs.js'
import { readJson } from './library.js'
import { absolute, bounds, describeLimit, limitsOf } from './limits.js'
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
    const limits = limitsOf(spec)
    const checks = bounds(limits, parent, table.floor, scenario).map(({ cost, max, limit }) => {
      const use = (c: Cost) => ({ runtime: runtime(c), memory: c.memoryBytes, parameters: c.parameters })[cost]
      const least = (own: Readonly<Record<string, Cost>>) => Math.min(...Object.values(own).map(use))
      const minimum = layers * (least(table.attention) + least(table.ffn))
      return { limit, cost, max, minimum }
    })
    const unmet = checks.filter(({ max, minimum }) => minimum > max)
    if (unmet.length > 0) {
      const lines = unmet.map(({ limit, cost, max, minimum }) => {
        const floor = {
          runtime: runtime(table.floor),
          memory: table.floor.memoryBytes,
          parameters: table.floor.parameters,
        }[cost]
        const best =
          limit.name === 'throughput' ? (scenario.batch * scenario.generate) / (minimum + floor) : minimum + floor
        return `${describeLimit(limit)} cannot be met: the best any choice reaches is ${Number(best.toPrecision(4))}, the limit is ${Number(absolute(limit, parent, scenario).toPrecision(4))} (it lacks ${Number((((minimum - max) / (max + floor)) * 100).toPrecision(3))} % of ${cost})`
      })
      throw new Failure('Infeasible', lines.join('; '), {
        remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).',
      })
    }
    // Nothing of the limits: what comes after the gate does not depend on them, and stays when they change.
    return { values: {}, files: {} }
  },
}
