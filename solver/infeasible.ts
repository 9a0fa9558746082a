import { solveCore } from './core.js'
import { greedyStart } from './start.js'
import { layerMinima, type Instance, type Row } from './instance.js'
import type { Engine } from './model.js'
import type { Infeasibility, UnmetLimit } from './result.js'

/**
 * Explains which limits cannot be met and by how much. First each limit is checked alone, which is exact. Otherwise a minimal
 * contradictory set is found by dropping limits one by one; each is reported with its minimum while the others are met.
 */
export async function explainInfeasible(
  instance: Instance,
  engines: readonly Engine[],
  deadline: number,
): Promise<Infeasibility> {
  if (instance.links.pairs.length > 0 && !(await canMeet(instance, [], engines, deadline)))
    return { limits: [], message: 'The requirements between options contradict each other, whatever the limits.' }
  const alone: UnmetLimit[] = []
  for (const row of instance.rows) {
    const minimum =
      instance.links.pairs.length === 0
        ? layerMinima(instance, row.use).reduce((a, b) => a + b, 0)
        : ((await least(instance, row, [], engines, deadline)) ?? -Infinity)
    if (minimum > row.max + row.tolerance) alone.push(unmet(row, minimum, []))
  }
  if (alone.length > 0) return { limits: alone, message: sentence(alone) }
  let set = [...instance.rows]
  for (const row of instance.rows) {
    const without = set.filter((other) => other !== row)
    if (!(await canMeet(instance, without, engines, deadline))) set = without
  }
  const limits: UnmetLimit[] = []
  for (const row of set) {
    const others = set.filter((other) => other !== row)
    const minimum = await least(instance, row, others, engines, deadline)
    const holding = others.map((other) => other.cost)
    if (minimum !== undefined && minimum > row.max) limits.push(unmet(row, minimum, holding))
  }
  if (limits.length > 0) return { limits, message: sentence(limits) }
  const names = set.map((row) => `"${row.cost}" <= ${shown(row.max)}`).join(' and ')
  return { limits, message: `The limits ${names} cannot be met together.` }
}

/** Whether some selection meets these limits. Undecided counts as yes: a limit is only blamed on proof. */
async function canMeet(
  instance: Instance,
  rows: readonly Row[],
  engines: readonly Engine[],
  deadline: number,
): Promise<boolean> {
  const relaxed: Instance = { ...instance, scores: new Float64Array(instance.scores.length), rows }
  const answer = await solveCore({
    instance: relaxed,
    cuts: [],
    gap: 1,
    deadline,
    engines,
    start: greedyStart(relaxed),
  })
  return answer.kind !== 'infeasible'
}

/** The minimum of a row's sum while others are met, or its lower bound if unproven, so never more than the true minimum. */
async function least(
  instance: Instance,
  row: Row,
  others: readonly Row[],
  engines: readonly Engine[],
  deadline: number,
): Promise<number | undefined> {
  const relaxed: Instance = { ...instance, scores: row.use, rows: others }
  const answer = await solveCore({
    instance: relaxed,
    cuts: [],
    gap: 1e-6,
    deadline,
    engines,
    start: greedyStart(relaxed),
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
      const percentage = max === 0 ? '' : `, ${((100 * excess) / Math.abs(max)).toPrecision(3)} %`
      const given =
        holding.length === 0
          ? ''
          : ` while ${holding.map((name) => `"${name}"`).join(' and ')} ${holding.length === 1 ? 'is' : 'are'} met`
      return `The limit "${cost}" <= ${shown(max)} cannot be met${given}: the least is ${shown(minimum)} (${shown(excess)} too much${percentage}).`
    })
    .join(' ')
}

const shown = (value: number) => String(Number(value.toPrecision(6)))
