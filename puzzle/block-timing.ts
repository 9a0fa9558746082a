import {
  alternate,
  commonBlock,
  quiet,
  whileOpen,
  type Model,
  type Scenario,
  type Seconds,
  type Timing,
} from '../model/index.js'
import { slots, type BlockChoice, type RunningTask, type Runs, type Slot } from '../api/index.js'
import { shuffled } from '../tensor/random.js'
import type { Space } from './inputs.js'
import { runtime, sizes, type Cost } from './costs.js'
import { variants, type Variant } from './library.js'
import { watchBeside } from './machine-load.js'
import { empty, layersOf, madeUp, withoutBlocks, type LayerBlocks } from './made-up.js'
import { runVariants } from './run-variants.js'

/** A variant without a layer: equal blocks cost the same everywhere. */
export interface Part {
  readonly slot: Slot
  readonly variant: Variant & { /** Nothing, that only runs of layers leave behind. */ readonly behind?: boolean }
}

/** Lists the distinct variants of the space in all layers. */
export function distinctVariants(model: Model, space: Space, runs: Runs): Part[] {
  const distinct = new Map<string, Part>()
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of slots)
      for (const variant of variants(space, slot, model, layer))
        distinct.set(`${slot}/${variant.id}`, { slot, variant })
  for (const run of runVariants(model, space, runs))
    for (const slot of slots) {
      const { variant: id, block, params, empty } = run.slots[slot]
      // All but the first layer of a run are empty.
      for (const variant of [empty ? nothing : { id, block, params, empty, own: false }, nothing])
        if (!distinct.has(`${slot}/${variant.id}`)) distinct.set(`${slot}/${variant.id}`, { slot, variant })
    }
  return [...distinct.values()]
}

const nothing = { id: 'no-op', block: 'no-op', params: {}, empty: true, own: false, behind: true }

/** A block, and the slot that it fills. */
export interface Placed {
  readonly slot: Slot
  readonly choice: BlockChoice
}

/** How long something is timed. */
export interface Repetition {
  /** Passes at first. */
  readonly repetitions: number
  /** The number of passes is doubled until all intervals are this narrow, as a share of what the slowest takes, on either side. */
  readonly precision: number
  readonly threads: number
}

/** What was timed in turn, without the noise that only ever adds. */
export interface Compared {
  /** Of each model. */
  readonly seconds: readonly Seconds[]
  /** Half the widths of the 95 % intervals of the differences between each further model and the first, in seconds; of one model alone,
   *  of its own seconds. */
  readonly errors: readonly number[]
  readonly passes: number
  /** Whether all intervals became as narrow as they were to be. */
  readonly precise: boolean
  /** Share of the processors, 0 to 1, that other programs used meanwhile; absent where that was too short to say. */
  readonly load?: number
}

/** How many times the number of passes is doubled at most. */
const doublings = 2

/**
 * Times models in turn, copies alternating, so that drift and neighbours meet all of them; goes on until their differences to
 * the first are known well enough, or four times the passes are spent.
 */
export async function compare(
  models: readonly Model[],
  scenario: Scenario,
  { repetitions, precision, threads }: Repetition,
  { progress }: Pick<RunningTask, 'progress'>,
): Promise<Compared> {
  const opened = models.map((model) => [model, scenario] as const)
  return whileOpen(opened, threads, async (timed) => {
    let passes: Timing[][] = timed.map(() => [])
    const most = repetitions * 2 ** doublings
    const others = await watchBeside(timed)
    for (;;) {
      const had = passes[0]!.length
      const more = await alternate(timed, had || repetitions, (done) =>
        progress((had + done) / most, `pass ${had + done} of at most ${most}`),
      )
      passes = passes.map((own, i) => [...own, ...more[i]!])
      const seconds = passes.map(quiet)
      const [floor] = passes as [Timing[]]
      const errors = (passes.length > 1 ? passes.slice(1) : [floor]).map((own) => halfWidth(floor, own))
      const precise = Math.max(...errors) <= precision * Math.max(...seconds.map(runtime))
      if (precise || passes[0]!.length >= most) {
        const load = await others()
        return { seconds, errors, passes: passes[0]!.length, precise, ...(load !== undefined && { load }) }
      }
    }
  })
}

/** Half the width of the interval of a difference of models, or of one model's seconds: the halves of the passes against each
 *  other, as often as they can be split in so many ways. */
function halfWidth(a: readonly Timing[], b: readonly Timing[]): number {
  const splits = 64
  let squares = 0
  for (let n = 0; n < splits; n++) {
    const order = [...shuffled(a.length, n)]
    const half = a.length >> 1
    const part = (from: number, to: number) => {
      const own = order.slice(from, to)
      const seconds = (passes: readonly Timing[]) => runtime(quiet(own.map((i) => passes[i]!)))
      return a === b ? seconds(a) : seconds(a) - seconds(b)
    }
    if (half > 0) squares += (part(0, half) - part(half, 2 * half)) ** 2
  }
  // Halves have twice the variance of the whole, and their difference four times.
  return a.length < 2 ? Infinity : 1.96 * Math.sqrt(squares / splits / 4)
}

/** What a block takes, and the parent's own of its slot in the same session. */
export interface TimedBlock extends Omit<Compared, 'errors'> {
  /** Seconds of one block. */
  readonly own: Seconds
  /** Half the width of its interval. */
  readonly error: number
  /** Of the parent's. */
  readonly usual: Seconds
  readonly usualError: number
}

/**
 * Times N layers that have such a block and nothing else, the same with the parent's usual block, and a model without layers, in
 * turn: the difference to the last, divided by N, is what a block takes. Layers that are otherwise empty make a difference of small
 * numbers; of whole layers it would be one of two large ones, and several times as imprecise where decoding waits for memory.
 */
export async function timeBlock(
  model: Model,
  { slot, choice }: Placed,
  scenario: Scenario,
  { copies, ...how }: Repetition & { readonly copies: number },
  context: Pick<RunningTask, 'progress'>,
): Promise<TimedBlock> {
  const alone = (block: BlockChoice) => madeUp(model, layersOf({ attention: empty, ffn: empty, [slot]: block }, copies))
  const usual = commonBlock(model.config, slot)
  // A parent that has nothing in this slot gives nothing to compare with.
  const parents = model.blocks.get(slot, usual.block).empty ? [] : [alone(usual)]
  const others = isUsual(model, { slot, choice }) ? [] : [alone(choice)]
  const { errors, ...compared } = await compare([withoutBlocks(model), ...parents, ...others], scenario, how, context)
  const [floor, first] = compared.seconds as [Seconds, Seconds]
  // Noise can make a tiny difference negative; times are at least 0.
  const each = (all: Seconds, kind: keyof Seconds) => Math.max(0, all[kind] - floor[kind]) / copies
  const block = (all: Seconds): Seconds => ({
    prefillSeconds: each(all, 'prefillSeconds'),
    decodeSeconds: each(all, 'decodeSeconds'),
  })
  return {
    ...compared,
    own: block(compared.seconds.at(-1)!),
    error: errors.at(-1)! / copies,
    usual: block(parents.length > 0 ? first : floor),
    usualError: parents.length > 0 ? errors[0]! / copies : 0,
  }
}

/** Whether a block is the parent's usual one. */
export const isUsual = (model: Model, { slot, choice }: Placed): boolean => {
  const usual = commonBlock(model.config, slot)
  const type = model.blocks.get(slot, choice.block)
  return choice.block === usual.block && type.id(choice.params) === type.id(usual.params)
}

/** Parameters and bytes that a block adds to a model without blocks. */
export function blockSizes(
  model: Model,
  { slot, choice }: Placed,
  scenario: Scenario,
): Pick<Cost, 'parameters' | 'memoryBytes'> {
  const alone: LayerBlocks = { attention: empty, ffn: empty, [slot]: choice }
  const [own, none] = [sizes(madeUp(model, [alone]), scenario), sizes(withoutBlocks(model), scenario)]
  return { parameters: own.parameters - none.parameters, memoryBytes: own.memoryBytes - none.memoryBytes }
}
