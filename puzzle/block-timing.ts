import {
  alternate,
  slotShapes,
  openTimed,
  typical,
  type Model,
  type ModelConfig,
  type Scenario,
  type Timing,
} from '../model/index.js'
import { elements } from '../tensor/index.js'
import { slots, type BlockChoice, type RunningTask, type Runs, type Slot, type Weights } from '../api/index.js'
import type { Space } from './inputs.js'
import { sizes, type Cost } from './costs.js'
import { variants, type Variant } from './library.js'
import { runVariants } from './run-variants.js'
import { normal } from '../tensor/random.js'

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

/** Parameters of the timing of a block. */
export interface Repetition {
  /** N: a model with N copies is compared with one with 2N. */
  readonly copies: number
  readonly repetitions: number
  readonly threads: number
}

/** Measures the costs of a block, or of a model without blocks: (time of 2N copies - time of N copies) / N. */
export async function measure(
  model: Model,
  part: Placed | undefined,
  scenario: Scenario,
  { copies, repetitions, threads }: Repetition,
  context: Pick<RunningTask, 'progress'>,
): Promise<Cost> {
  const floor = withoutBlocks(model)
  const models = part ? [stacked(model, part, copies), stacked(model, part, 2 * copies)] : [floor]
  if (part && model.blocks.get(part.slot, part.choice.block).empty) return noCost
  const timed = await Promise.all(models.map((m) => openTimed(m, scenario, threads)))
  context.progress(0.2, `${repetitions} passes`)
  const [one, two] = (await alternate(timed, repetitions)).map(typical) as [Timing, Timing?]
  for (const t of timed) await t.release()
  if (!part || !two) return { ...one, ...sizes(floor, scenario) }
  // Noise can make a tiny difference negative; times are at least 0.
  const difference = (kind: keyof Timing) => Math.max(0, two[kind] - one[kind]) / copies
  return {
    prefillSeconds: difference('prefillSeconds'),
    decodeSeconds: difference('decodeSeconds'),
    ...blockSizes(model, part, scenario),
  }
}

/** Parameters and bytes that a block adds to a model without blocks. */
export function blockSizes(model: Model, part: Placed, scenario: Scenario): Pick<Cost, 'parameters' | 'memoryBytes'> {
  const [own, none] = [sizes(stacked(model, part, 1), scenario), sizes(withoutBlocks(model), scenario)]
  return { parameters: own.parameters - none.parameters, memoryBytes: own.memoryBytes - none.memoryBytes }
}

const noCost: Cost = { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 }

/** The model without blocks: embedding, final norm and head. */
export const withoutBlocks = (model: Model): Model => stacked(model, undefined, 0)

/** A model of N copies of a block, with random weights. */
function stacked(model: Model, part: Placed | undefined, copies: number): Model {
  const empty = { block: 'no-op', params: {} }
  const of = (slot: Slot) => (part?.slot === slot ? part.choice : empty)
  const layer = { attention: of('attention'), ffn: of('ffn') }
  const config: ModelConfig = {
    ...model.config,
    layers: copies,
    blocks: Array(copies).fill(layer) as ModelConfig['blocks'],
  }
  return {
    ...model,
    config,
    async weights(at, slot): Promise<Weights> {
      const random = normal(at + 1)
      return Object.fromEntries(
        Object.entries(slotShapes(config, at, slot, model.blocks)).map(([name, shape]) => [
          name,
          { shape, data: Float32Array.from({ length: elements(shape) }, () => random() * 0.02) },
        ]),
      )
    },
  }
}
