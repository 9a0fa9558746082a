import type { Scenario } from '../../model/index.js'
import { solve } from '../../solver/index.js'
import { Failure, type JsonObject, type SingleStage } from '../api/index.js'
import { addCosts, costOf, totalCost, type Cost, type CostTable } from './costs.js'
import { readJson } from './library.js'
import { absolute, bounds, describeLimit, limitsOf, type Bound } from './limits.js'
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
    const unmet = limits.flatMap((bound) => unmetAlone(bound, table, layers, parent, scenario) ?? [])
    const together = unmet.length === 0 && limits.length > 1 ? await unmetTogether(limits, table, layers) : undefined
    const problems = together === undefined ? unmet : [together]
    if (problems.length > 0)
      throw new Failure('Infeasible', problems.join('; '), {
        remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).',
      })
    // Nothing of the limits: what comes after the gate does not depend on them, and stays when they change.
    return { values: {}, files: {} }
  },
}

const digits = (value: number, count: number) => Number(value.toPrecision(count))

/** Every layer takes its cheapest variants: if that is too much, nothing is little enough. */
function unmetAlone(
  { cost, max, limit }: Bound,
  table: CostTable,
  layers: number,
  parent: Cost,
  scenario: Scenario,
): string | undefined {
  const least = (slot: Readonly<Record<string, Cost>>) => Math.min(...Object.values(slot).map((c) => costOf(c, cost)))
  const minimum = layers * (least(table.attention) + least(table.ffn))
  if (minimum <= max) return undefined
  const floor = costOf(table.floor, cost)
  const best = limit.name === 'throughput' ? (scenario.batch * scenario.generate) / (minimum + floor) : minimum + floor
  const wanted = absolute(limit, parent, scenario)
  return `${describeLimit(limit)} cannot be met: the best any choice reaches is ${digits(best, 4)}, the limit is ${digits(wanted, 4)} (it lacks ${digits(((minimum - max) / (max + floor)) * 100, 3)} % of ${cost})`
}

/** Limits that can each be met may exclude one another: the solver proves it, scores aside. */
async function unmetTogether(limits: readonly Bound[], table: CostTable, layers: number): Promise<string | undefined> {
  const options = Object.entries(table.attention).flatMap(([attention, a]) =>
    Object.entries(table.ffn).map(([ffn, f]) => {
      const sum = addCosts(a, f)
      const costs = Object.fromEntries(limits.map(({ cost }) => [cost, costOf(sum, cost)]))
      return { id: `${attention}+${ffn}`, score: 0, costs }
    }),
  )
  const { status, infeasible } = await solve({
    layers: Array.from({ length: layers }, () => ({ options })),
    limits: limits.map(({ cost, max }) => ({ cost, max })),
    solutions: 1,
  })
  if (status !== 'infeasible') return undefined
  const names = limits.map(({ limit }) => describeLimit(limit)).join(' and ')
  return `${names} cannot be met together: ${infeasible?.message ?? 'no choice of variants holds them'}`
}
