import { median, withHead, type HeadWeights, type Model, type Scenario, type Seconds } from '../model/index.js'
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
  /** Half the width of a 95 % interval, in seconds. */
  readonly error: number
  readonly passes: number
  /** Share of the processors, 0 to 1, that other programs used meanwhile; absent from measurements of earlier versions. */
  readonly load?: number
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

/** What the parent's block of a slot takes: the median of all sessions that timed it. */
const usualSeconds = (timed: readonly TimedTask[]): Seconds => ({
  prefillSeconds: median(timed.map(({ first }) => first.prefillSeconds)),
  decodeSeconds: median(timed.map(({ first }) => first.decodeSeconds)),
})

/** The cost of a block: what it took of the time of the parent's in its session, times what the parent's takes.
 *  Noise can make it vanish: then it costs as much as its interval does not rule out, since what is free is chosen everywhere.
 *  @param timed  undefined for what is empty: it takes nothing */
function blockCost(model: Model, part: Part, scenario: Scenario, usual: Seconds, timed: TimedTask | undefined): Cost {
  const costs = blockSizes(model, { slot: part.slot, choice: part.variant }, scenario)
  if (!timed) return { ...{ prefillSeconds: 0, decodeSeconds: 0 }, ...costs }
  const measured = inProportion(usual, timed)
  const { error } = timed
  const isLost = runtime(measured) === 0 && Number.isFinite(error)
  return { ...(isLost ? { ...spread(error, scenario), lost: true } : measured), ...costs, error }
}

/** Seconds of a pass by its tokens: prefill takes those of a prompt at once. */
function spread(seconds: number, { prefill, generate }: Scenario): Seconds {
  const prefillSeconds = (seconds * prefill) / (prefill + generate)
  return { prefillSeconds, decodeSeconds: seconds - prefillSeconds }
}
