import { withHead, type HeadWeights, type Model, type Scenario, type Seconds } from '../model/index.js'
import type { JsonObject, Slot } from '../api/index.js'
import { blockSizes, isUsual, type Part } from './block-timing.js'
import { calibrate, type Calibration, type Variants, type Whole } from './calibration.js'
import { runtime, sizes, type Cost, type CostTable } from './costs.js'
import { withoutBlocks } from './made-up.js'
import { parentLayers } from './selection-problem.js'

/** What a task of `profile` measured: seconds of parent and other, in one session. */
export interface TimedTask {
  readonly fingerprint: JsonObject
  /** Of the floor; seconds that a block saves against the parent's; of the parent. */
  readonly first: Seconds
  /** Of a child, or of the floor with another head. */
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
  const costs = (slot: Slot) =>
    Object.fromEntries(
      parts
        .filter((part) => part.slot === slot)
        .map((part) => [part.variant.id, blockCost(model, part, scenario, (id) => of(`${slot}/${id}`))]),
    )
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
  const floor = of('floor').first
  const { first: parents, second: own } = of(headTask(head))
  const seconds = (kind: keyof Seconds) => (parents[kind] > 0 ? (floor[kind] * own![kind]) / parents[kind] : own![kind])
  return {
    ...{ prefillSeconds: seconds('prefillSeconds'), decodeSeconds: seconds('decodeSeconds') },
    ...sizes(withoutBlocks(withHead(model, head)), scenario),
  }
}

/** What is empty takes nothing. */
export const toTime = (model: Model, { slot, variant }: Part): boolean => !model.blocks.get(slot, variant.block).empty

/** The cost of a block: the parent's is what nothing saves against it, another one's is that less what it saves.
 *  Noise can make it vanish: then it costs as much as its interval does not rule out, since what is free is chosen everywhere. */
function blockCost(model: Model, part: Part, scenario: Scenario, of: (id: string) => TimedTask): Cost {
  const choice = { slot: part.slot, choice: part.variant }
  const none = { prefillSeconds: 0, decodeSeconds: 0 }
  const costs = blockSizes(model, choice, scenario)
  if (!toTime(model, part)) return { ...none, ...costs }
  const { first: usual } = of('parent')
  const { first: saved, error } = of(part.variant.id)
  const seconds = (kind: keyof Seconds) =>
    // Noise can make a tiny difference negative; times are at least 0.
    Math.max(0, isUsual(model, choice) ? usual[kind] : usual[kind] - saved[kind])
  const measured = { prefillSeconds: seconds('prefillSeconds'), decodeSeconds: seconds('decodeSeconds') }
  const isLost = runtime(measured) === 0 && Number.isFinite(error)
  return { ...(isLost ? { ...spread(error, scenario), lost: true } : measured), ...costs, error }
}

/** Seconds of a pass by its tokens: prefill takes those of a prompt at once. */
function spread(seconds: number, { prefill, generate }: Scenario): Seconds {
  const prefillSeconds = (seconds * prefill) / (prefill + generate)
  return { prefillSeconds, decodeSeconds: seconds - prefillSeconds }
}
