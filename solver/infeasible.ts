import { solveCore } from './core.js'
import { greedyStart } from './start.js'
import { layerMinima, type Instance, type Row } from './instance.js'
import type { Engine } from './model.js'
import type { Infeasibility, UnmetLimit } from './result.js'

/**
 * Which limits cannot be met and by how much: each alone first, which is exact; else a smallest set found by leaving out
 * limits one by one, each with the least it can be while the others of the set hold.
 */
export function explainInfeasible(instance: Instance, engines: readonly Engine[], deadline: number): Infeasibility {
  if (instance.links.pairs.length > 0 && !canHold(instance, [], engines, deadline))
    return { limits: [], message: 'The options that others require cannot all be chosen, whatever the limits.' }
  const alone = instance.rows.flatMap((row): UnmetLimit[] => {
    const minimum =
      instance.links.pairs.length === 0
        ? layerMinima(instance, row.use).reduce((a, b) => a + b, 0)
        : (least(instance, row, [], engines, deadline) ?? -Infinity)
    return minimum > row.max + row.tolerance ? [unmet(row, minimum, [])] : []
  })
  if (alone.length > 0) return { limits: alone, message: sentence(alone) }
  let set = [...instance.rows]
  for (const row of instance.rows) {
    const without = set.filter((other) => other !== row)
    if (!canHold(instance, without, engines, deadline)) set = without
  }
  const limits = set.flatMap((row): UnmetLimit[] => {
    const others = set.filter((other) => other !== row)
    const minimum = least(instance, row, others, engines, deadline)
    return minimum === undefined || minimum <= row.max
      ? []
      : [
          unmet(
            row,
            minimum,
            others.map((other) => other.cost),
          ),
        ]
  })
  if (limits.length > 0) return { limits, message: sentence(limits) }
  const names = set.map((row) => `"${row.cost}" <= ${shown(row.max)}`).join(' and ')
  return { limits, message: `The limits ${names} cannot be met together.` }
}

/** Whether some selection holds these rows. Unproven counts as yes: a limit is blamed only on proof. */
function canHold(instance: Instance, rows: readonly Row[], engines: readonly Engine[], deadline: number): boolean {
  const part: Instance = { ...instance, scores: new Float64Array(instance.scores.length), rows }
  const answer = solveCore({
    instance: part,
    cuts: [],
    gap: 1,
    deadline,
    engines,
    start: greedyStart(part),
  })
  return answer.kind !== 'infeasible'
}

/** Least sum of a row's use while others hold: the bound where it is not proven, so never more than the truth. */
function least(
  instance: Instance,
  row: Row,
  others: readonly Row[],
  engines: readonly Engine[],
  deadline: number,
): number | undefined {
  const part: Instance = { ...instance, scores: row.use, rows: others }
  const answer = solveCore({
    instance: part,
    cuts: [],
    gap: 1e-6,
    deadline,
    engines,
    start: greedyStart(part),
  })
  return answer.kind === 'solved' ? (answer.proved ? answer.objective : answer.bound) : undefined
}

const unmet = (row: Row, minimum: number, holding: readonly string[]): UnmetLimit => ({
  cost: row.cost,
  max: row.max,
  minimum,
  excess: minimum - row.max,
  holding,
})

function sentence(limits: readonly UnmetLimit[]): string {
  return limits
    .map(({ cost, max, minimum, excess, holding }) => {
      const part = max === 0 ? '' : `, ${((100 * excess) / Math.abs(max)).toPrecision(3)} %`
      const given = holding.length === 0 ? '' : ` while ${holding.map((name) => `"${name}"`).join(' and ')} hold`
      return `The limit "${cost}" <= ${shown(max)} cannot be met${given}: the least is ${shown(minimum)} (${shown(excess)} too much${part}).`
    })
    .join(' ')
}

const shown = (value: number) => String(Number(value.toPrecision(6)))
