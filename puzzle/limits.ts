import type { Scenario } from '../model/index.js'
import type { Infeasibility } from '../solver/index.js'
import { parentScenario, type PairScenario } from './batches.js'
import { ruleOf, type ChoiceRule } from './choices.js'
import { limitId, scenarioIndex, type Limit } from './limit.js'
import { runtime, throughputOf, tokenLatencyOf, type Cost } from './costs.js'

/** A cost that a limit bounds: seconds of prefill and decoding together or of one of them, bytes, parameters. */
export type BoundedCost = 'runtime' | 'prefill' | 'decoding' | 'memory' | 'parameters'

/** What each limit bounds. */
export const boundedCost: Readonly<Record<Limit['name'], BoundedCost>> = {
  throughput: 'runtime',
  prefill: 'prefill',
  tokenLatency: 'decoding',
  latency: 'runtime',
  memory: 'memory',
  parameters: 'parameters',
}

/** An upper bound on the sum of a cost over all slots. */
export interface Bound {
  /** Unlike that of another scenario: `memory`, or `chat.memory`. */
  readonly cost: string
  readonly max: number
  readonly limit: Limit
}

/** The name of the cost that a limit bounds. All scenarios have the same parameters, and the first one's costs go without its name. */
export function costId(limit: Limit): string {
  const kind = boundedCost[limit.name]
  return scenarioIndex(limit) === 0 || kind === 'parameters' ? kind : `${limit.scenario!.name}.${kind}`
}

/** What the parent has of what a limit bounds, in absolute units: tokens/s, bytes, seconds, parameters. */
function ofParent(name: Limit['name'], { parent, scenario }: Yard): number {
  return {
    throughput: throughputOf(parentScenario(scenario), parent),
    prefill: parent.prefillSeconds,
    tokenLatency: tokenLatencyOf(scenario, parent),
    memory: parent.memoryBytes,
    latency: runtime(parent),
    parameters: parent.parameters,
  }[name]
}

/** Converts a limit to absolute units. */
const absolute = (limit: Limit, yard: Yard): number =>
  limit.unit === 'parent' ? limit.value * ofParent(limit.name, yard) : limit.value

/**
 * What to aim at on the way from the parent to the limits, as multiples of the limits (`limitId`).
 * @param yards  by scenario
 * @param share  of what must be saved of each cost, 0 to 1
 */
export function partOfTheWay(
  limits: readonly Limit[],
  yards: readonly Yard[],
  share: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    limits.map((limit) => {
      const yard = yards[scenarioIndex(limit)]!
      // By what is spent for each token, which tokens per second are the inverse of.
      const spent = (value: number) => (limit.bound === 'min' ? 1 / value : value)
      const [parent, least] = [spent(ofParent(limit.name, yard)), spent(absolute(limit, yard))]
      const factor = Math.max(1, share + (1 - share) * (parent / least))
      return [limitId(limit), limit.bound === 'min' ? 1 / factor : factor]
    }),
  )
}

/**
 * Converts limits to bounds on what all slots together may use.
 * @param yards       by scenario
 * @param correction  by limit (`limitId`): the predicted value to aim at, as a multiple of the limit, so that the measured one meets it
 */
export function bounds(
  limits: readonly Limit[],
  yards: readonly Yard[],
  correction: Readonly<Record<string, number>> = {},
): Bound[] {
  return limits.map((limit) => {
    const yard = yards[scenarioIndex(limit)]!
    const value = absolute(limit, yard) * (correction[limitId(limit)] ?? 1)
    const rest = useOf(boundedCost[limit.name], yard.floor)
    return { limit, cost: costId(limit), max: converted(limit.name, value, yard.scenario) - rest }
  })
}

/** Converts a limit's value to what it bounds, or back: throughput to seconds, seconds per token to seconds. */
function converted(name: Limit['name'], value: number, { batch, generate }: Scenario, back = false): number {
  if (name === 'throughput') return (batch * generate) / value
  if (name === 'tokenLatency') return back ? value / generate : value * generate
  return value
}

/** Predicted costs that limits are judged against in a scenario. */
export interface Yard {
  /** Including the floor; at the parent's batch. */
  readonly parent: Cost
  /** Outside all slots; at the child's batch. */
  readonly floor: Cost
  readonly scenario: PairScenario
}

/** How much of a bounded cost a model or block uses: seconds, bytes or parameters. */
export const useOf = (cost: BoundedCost, of: Cost): number =>
  ({
    runtime: runtime(of),
    prefill: of.prefillSeconds,
    decoding: of.decodeSeconds,
    memory: of.memoryBytes,
    parameters: of.parameters,
  })[cost]

/** By which share of its limit a bound is missed. @param minimum  the least that all slots together can use */
const missedBy = ({ max, limit }: Bound, minimum: number, { floor }: Yard): number =>
  (minimum - max) / (max + useOf(boundedCost[limit.name], floor))

/** Writes that a bound cannot be met, and by how much, in terms of its limit.
 *  @param minimum  the least that all slots together can use
 *  @param held     names of the other limits that are met at the same time */
function describeUnmet(bound: Bound, minimum: number, yard: Yard, held: readonly string[] = []): string {
  const { limit } = bound
  const cost = boundedCost[limit.name]
  const best = converted(limit.name, minimum + useOf(cost, yard.floor), yard.scenario, true)
  const round = (n: number, digits: number) => Number(n.toPrecision(digits))
  const lack = round(100 * missedBy(bound, minimum, yard), 3)
  return `${describeLimit(limit)} cannot be met${heldText(held)}: the best any choice reaches is ${round(best, 4)}, the limit is ${round(absolute(limit, yard), 4)}${unitOf(limit)} (over by ${lack} % in ${cost})`
}

/** The unit of a limit that is told as a multiple of the parent. */
const unitOf = ({ name, unit }: Limit): string => (unit === 'parent' && name !== 'parameters' ? ` ${units[name]}` : '')

const units: Readonly<Record<Exclude<Limit['name'], 'parameters'>, string>> = {
  throughput: 'tokens/s',
  prefill: 'seconds',
  tokenLatency: 'seconds',
  latency: 'seconds',
  memory: 'bytes',
}

const heldText = (held: readonly string[]) =>
  held.length === 0 ? '' : ` while ${held.join(' and ')} ${held.length > 1 ? 'are' : 'is'} held`

/** Translates the solver's reason to the spec's limits and rules. The solver only knows what they leave for the slots. */
export function describeInfeasible(
  all: readonly Bound[],
  rules: readonly ChoiceRule[],
  yards: readonly Yard[],
  infeasible: Infeasibility | undefined,
): string {
  const lines = (infeasible?.limits ?? []).flatMap(({ cost, max, minimum, holding }) => {
    const bound = all.find((own) => own.cost === cost && own.max === max)
    const held = [
      ...all.filter((own) => holding.includes(own.cost)).map(({ limit }) => nameOf(limit)),
      ...holding.flatMap((own) => ruleOf(rules, own) ?? []),
    ]
    if (bound) return [describeUnmet(bound, minimum, yards[scenarioIndex(bound.limit)]!, held)]
    const rule = ruleOf(rules, cost)
    return rule ? [`${rule} cannot be met${heldText(held)}: the best any choice reaches is ${Math.abs(minimum)}`] : []
  })
  const ruledOut = rules.some(({ only, forbid }) => only !== undefined || forbid !== undefined)
  const reason = lines.length > 0 ? lines.join('; ') : (infeasible?.message ?? 'The limits cannot be met together')
  return ruledOut ? `${reason}, given that target.choices rules out some blocks` : reason
}

/** How far limits are from being met, as a share: by the furthest of those that cannot be met even alone, else by the nearest of
 *  those that cannot be met together. Infinite where that is not about limits. */
export function lackOf(
  all: readonly Bound[],
  yards: readonly Yard[],
  infeasible: Pick<Infeasibility, 'limits'> | undefined,
): number {
  const lacks = (infeasible?.limits ?? []).flatMap(({ cost, max, minimum, holding }) => {
    const bound = all.find((own) => own.cost === cost && own.max === max)
    if (!bound) return []
    return [{ alone: holding.length === 0, share: missedBy(bound, minimum, yards[scenarioIndex(bound.limit)]!) }]
  })
  const alone = lacks.filter((own) => own.alone)
  return alone.length > 0
    ? Math.max(...alone.map(({ share }) => share))
    : Math.min(Infinity, ...lacks.map(({ share }) => share))
}

const nameOf = ({ name, scenario }: Limit): string => (scenario ? `${name} of ${scenario.name}` : name)

/** Writes a limit in messages: `throughput >= 1.6x of the parent`, with the name of its scenario in front if it has one. */
export function describeLimit({ name, bound, value, unit, scenario }: Limit): string {
  const number = Number(value.toPrecision(unit === 'parent' ? 4 : 6))
  const amount = unit === 'parent' ? `${number}x of the parent` : unit === name ? number : `${number} ${unit}`
  return `${scenario ? `${scenario.name}: ` : ''}${name} ${bound === 'min' ? '>=' : '<='} ${amount}`
}
