import { withHead, type HeadWeights, type Model, type Scenario, type Seconds } from '../model/index.js'
import type { JsonObject, Slot } from '../api/index.js'
import { blockSizes, type Part } from './block-timing.js'
import { calibrate, type Calibration, type Variants, type Whole } from './calibration.js'
import { runtime, sizes, type Cost, type CostTable } from './costs.js'
import { withoutBlocks } from './made-up.js'
import { parentLayers } from './selection-problem.js'

/** What a task of `profile` measured: seconds of the parent's and another, in one session. */
export interface TimedTask {
  readonly fingerprint: JsonObject
  /** Of the floor; of the parent's block of the slot; of the parent. */
  readonly first: Seconds
  /** Of the floor with another head; of another block of the slot; of a child. */
  readonly second?: Seconds
  /** Half the width of a 95 % interval, in seconds: of a block's time, or of the difference between the two. */
  readonly error: number
  /** Of a block: the same of the parent's beside it. */
  readonly firstError?: number
  readonly passes: number
  /** Share of the processors, 0 to 1, that other programs used meanwhile; absent where that was too short to say. */
  readonly load?: number
  /** Present where it is less precise than it was to be. */
  readonly imprecise?: true
  /** Present where it was measured a second time, when other programs used less. */
  readonly again?: true
}

/** What one scenario's tasks measured. */
interface TimedTasks {
  readonly parts: readonly Part[]
  /** Heads beside the parent's. */
  readonly heads: readonly HeadWeights[]
  /** Those that were timed as wholes. */
  readonly children: readonly Variants[]
  /** By id of the task. */
  readonly of: (id: string) => TimedTask
}

/** The costs of blocks in a scenario, calibrated if children were timed. */
export function costTableOf(
  model: Model,
  scenario: Scenario,
  { parts, heads, children, of }: TimedTasks,
): { readonly table: CostTable; readonly calibration?: Calibration } {
  const costs = (slot: Slot) => {
    const own = parts.filter((part) => part.slot === slot)
    const timed = new Map(
      own.filter((part) => toTime(model, part)).map(({ variant: { id } }) => [id, of(`${slot}/${id}`)]),
    )
    const usual = usualSeconds([...timed.values()])
    return Object.fromEntries(
      own.map((part) => [part.variant.id, blockCost(model, part, scenario, usual, timed.get(part.variant.id))]),
    )
  }
  const table: CostTable = {
    ...{ version: 1, fingerprint: of('floor').fingerprint, scenario },
    floor: { ...of('floor').first, ...sizes(withoutBlocks(model), scenario) },
    ...(heads.length > 0 && {
      heads: Object.fromEntries(heads.map((head) => [head, headCost(model, head, scenario, of)])),
    }),
    ...{ attention: costs('attention'), ffn: costs('ffn') },
  }
  const wholes = children.map((layers, i): Whole => {
    const { first, second } = of(`child/${i + 1}`)
    return { layers: layers.map(idsOf), parent: first, child: second! }
  })
  return wholes.length === 0 ? { table } : calibrate(table, parentLayers(model), wholes)
}

const idsOf = (own: Variants[number]) => ({ attention: own.attention.id, ffn: own.ffn.id })

/** The id of the task that times a model without blocks that has such a head. */
export const headTask = (head: HeadWeights): string => `floor/${head}`

/** The cost of a model without blocks that has such a head: the floor's, times what the head takes beside the parent's. */
function headCost(model: Model, head: HeadWeights, scenario: Scenario, of: TimedTasks['of']): Cost {
  return {
    ...inProportion(of('floor').first, of(headTask(head))),
    ...sizes(withoutBlocks(withHead(model, head)), scenario),
  }
}

/** What the parent's takes, times what the other one took of it in their session. */
function inProportion(parents: Seconds, { first, second = first }: TimedTask): Seconds {
  const seconds = (kind: keyof Seconds) =>
    first[kind] > 0 ? (parents[kind] * second[kind]) / first[kind] : second[kind]
  return { prefillSeconds: seconds('prefillSeconds'), decodeSeconds: seconds('decodeSeconds') }
}

/** What is empty takes nothing. */
export const toTime = (model: Model, { slot, variant }: Part): boolean => !model.blocks.get(slot, variant.block).empty

/** What the parent's block of a slot takes: the median of the sessions that timed it, of two in the middle the lower one, as noise only
 *  ever adds. */
function usualSeconds(timed: readonly TimedTask[]): Seconds {
  const known = timed.filter(isFirstKnown)
  const middle = (kind: keyof Seconds) => {
    const sorted = (known.length > 0 ? known : timed).map(({ first }) => first[kind]).sort((a, b) => a - b)
    return sorted[(sorted.length - 1) >> 1] ?? 0
  }
  return { prefillSeconds: middle('prefillSeconds'), decodeSeconds: middle('decodeSeconds') }
}

/** Whether the parent's block took more in a session than its noise: a share of anything less would be arbitrary. */
const isFirstKnown = ({ first, firstError = 0 }: TimedTask): boolean => runtime(first) > firstError

/** The cost of a block: what it took of the time of the parent's in its session, times what the parent's takes.
 *  Noise can make it vanish: it costs at least as much as its interval is wide, since what is free is chosen everywhere, or as the
 *  parent's, if that is less.
 *  @param timed  undefined for what is empty: it takes nothing */
function blockCost(model: Model, part: Part, scenario: Scenario, usual: Seconds, timed: TimedTask | undefined): Cost {
  const costs = blockSizes(model, { slot: part.slot, choice: part.variant }, scenario)
  if (!timed) return { ...{ prefillSeconds: 0, decodeSeconds: 0 }, ...costs }
  const { second } = timed
  const isCompared = second !== undefined && isFirstKnown(timed)
  const measured = isCompared ? inProportion(usual, timed) : (second ?? usual)
  const error = isCompared ? ofQuotient(timed, runtime(measured), runtime(second)) : timed.error
  // The parent's is known from all sessions, and would only seem slow if its own were too wide.
  const isLost = runtime(measured) <= (second ? error : 0) && Number.isFinite(error)
  const bound = Math.min(error, runtime(usual) || Infinity)
  const least = spread(Number.isFinite(bound) ? bound : 0, scenario)
  const seconds = (kind: keyof Seconds) =>
    isLost || measured[kind] === 0 ? Math.max(measured[kind], least[kind]) : measured[kind]
  return {
    ...{ prefillSeconds: seconds('prefillSeconds'), decodeSeconds: seconds('decodeSeconds') },
    ...(isLost && { lost: true }),
    ...costs,
    error,
  }
}

/** The error of a block's cost, to which its own and that of the parent's beside it contribute as shares of their times. */
function ofQuotient({ first, error, firstError = 0 }: TimedTask, cost: number, own: number): number {
  const scale = own > 0 ? cost / own : 1
  return Math.hypot(scale * error, (cost * firstError) / runtime(first))
}

/** Seconds of a pass by its tokens: prefill takes those of a prompt at once, and returns the first that is generated. */
function spread(seconds: number, { prefill, generate }: Scenario): Seconds {
  const prefillSeconds = (seconds * prefill) / (prefill + generate - 1)
  return { prefillSeconds, decodeSeconds: seconds - prefillSeconds }
}
