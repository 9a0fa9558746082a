import {
  buildSlot,
  Forward,
  layerFacts,
  quantisationOfChoice,
  replaceBlocks,
  rotaryConstants,
  rounded,
  roundedInGraph,
  type Model,
} from '../model/index.js'
import { Trainer, type AdamWOptions, type Tensor, type Value } from '../tensor/index.js'
import { tensorsOf } from '../tensor/tensors-of.js'
import {
  slots,
  type ArtifactRef,
  type BlockChoice,
  type Files,
  type JsonObject,
  type Slot,
  type TaskContext,
  type Weights,
} from '../api/index.js'
import type { CapturedStatistics } from './captured.js'
import type { RunTask } from './run-variants.js'
import { chunksOf, readSequences } from '../data/sequences.js'
import { HiddenStates, SquaredError } from './hidden-states.js'

/** A variant that is trained. */
export interface Pupil extends BlockChoice {
  /** Id of the library entry that it becomes. */
  readonly entry: string
  readonly slot: Slot
  /** Id of the variant. */
  readonly variant: string
  readonly params: JsonObject
}

/** The training of one or both slots of a layer to do what the layer does in the parent. */
export interface Lesson {
  readonly layer: number
  /** The pupils, attention before FFN. */
  readonly train: readonly Pupil[]
  /** Contents of the slot that is not trained, if there is one. */
  readonly beside: 'parent' | 'no-op'
  /** Sequences per step. */
  readonly batch: number
  /** 0: the weights are not trained. */
  readonly steps: number
  /** Sequences of text on which the last matrices are solved for, instead of steps. Absent if they are not. */
  readonly solveOn?: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Present if the layer replaces a run of layers: then it learns what the whole run does. */
  readonly run?: RunTask
}

/** Artifacts for a lesson: the input of the slots in training, the parent's output for it, and the text; the same for held-out
 *  text; and the sources of initial weights. */
export interface LessonInputs extends Files {
  readonly input: ArtifactRef
  readonly target: ArtifactRef
  /** The parent's states after its attention: for attention that is solved for in front of an FFN. */
  readonly mid?: ArtifactRef
  readonly tokens: ArtifactRef
  readonly validateInput: ArtifactRef
  readonly validateTarget: ArtifactRef
  readonly validateTokens: ArtifactRef
  readonly statistics: ArtifactRef<CapturedStatistics>
}

interface Station extends BlockChoice {
  readonly slot: Slot
  readonly learns: boolean
}

/** The slots that the lesson computes, in order. */
function path(model: Model, { layer, train, beside }: Lesson): Station[] {
  const layerBlocks = model.config.blocks[layer]!
  return slots.flatMap((slot): Station[] => {
    const learning = train.find((pupil) => pupil.slot === slot)
    if (learning) return [{ ...learning, learns: true }]
    // The input of an FFN next to the parent's attention was captured after the attention, which is not computed again.
    const behind = slot === 'ffn' && beside === 'parent' && !model.blocks.get(slot, layerBlocks[slot].block).empty
    return behind ? [{ ...layerBlocks[slot], slot, learns: false }] : []
  })
}

/** Creates the trainer of a lesson. Its loss is the normalised squared error of the layer's output over all real tokens. */
export async function learner(
  model: Model,
  lesson: Lesson,
  initial: Readonly<Record<string, Weights>>,
  length: number,
  threads: number,
): Promise<Trainer> {
  const { config, blocks } = model
  const { layer, batch, steps, learningRate, weightDecay } = lesson
  const stations = path(model, lesson)
  const frozen: Record<string, Tensor> = {}
  for (const { slot, learns } of stations)
    if (!learns) Object.assign(frozen, tensorsOf(await model.weights(layer, slot), `${slot}.`))
  const states = { dtype: 'float32' as const, shape: [batch * length, config.hidden] }
  return Trainer.create({
    parameters: Object.fromEntries(
      Object.entries(initial).flatMap(([slot, weights]) =>
        Object.entries(weights).map(([name, weight]) => [`${slot}.${name}`, weight]),
      ),
    ),
    frozen,
    batch: { x: states, target: states, mask: { dtype: 'float32', shape: [batch * length] } },
    loss: (g, { parameters, frozen, batch: { x, target, mask } }) => {
      const context = {
        facts: layerFacts(config, layer),
        batch,
        length,
        rotary: rotaryConstants(g, config, length, layer),
        wantState: false,
      }
      let y = x!
      for (const station of stations) {
        const learning = () =>
          roundedInGraph(
            g,
            ofSlot(station.slot, parameters),
            quantisationOfChoice(blocks, station.slot, station, context.facts),
          )
        const weights = station.learns ? learning() : ofSlot(station.slot, frozen)
        y = buildSlot(g, y, station.slot, blocks, station, weights, context).x
      }
      const weight = g.unsqueeze(mask!, 1)
      const power = (v: Value) => g.sum(g.mul(g.square(v), weight))
      return g.div(power(g.sub(y, target!)), power(target!))
    },
    optimiser: {
      learningRate,
      weightDecay,
      ...waiting(model, lesson, initial),
      totalSteps: steps,
      warmupSteps: Math.min(20, Math.ceil(steps / 10)),
      finalFraction: 0.05,
    },
    stepsPerCall: 8,
    threads,
  })
}

/** Returns the trained weights, rounded to integers if the block's weights are integers in memory. */
export function learned(
  { config, blocks }: Model,
  { layer, train }: Lesson,
  weights: Readonly<Record<string, Weights>>,
): Record<string, Weights> {
  const facts = layerFacts(config, layer)
  return Object.fromEntries(
    train.map((own) => [own.slot, rounded(weights[own.slot]!, quantisationOfChoice(blocks, own.slot, own, facts))]),
  )
}

/** Lists the weights that are not trained during the first half of the steps, in which those that learn first are. */
function waiting(
  { blocks }: Model,
  { train, steps }: Lesson,
  initial: Readonly<Record<string, Weights>>,
): Pick<AdamWOptions, 'waiting'> {
  const parameters = train.flatMap(({ slot, block, params }) => {
    const first = blocks.get(slot, block).learnsFirst?.(params) ?? []
    const names = Object.keys(initial[slot]!)
    return first.length === 0 ? [] : names.filter((name) => !first.includes(name)).map((name) => `${slot}.${name}`)
  })
  return parameters.length === 0 ? {} : { waiting: { parameters, steps: Math.floor(steps / 2) } }
}

const ofSlot = (slot: Slot, values: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => name.startsWith(`${slot}.`))
      .map(([name, value]) => [name.slice(slot.length + 1), value]),
  )

/** Measures the error of weights for a lesson's slots on held-out text. */
export async function heldOutError(
  context: Pick<TaskContext<{ params: object; inputs: LessonInputs }>, 'open' | 'task' | 'threads'>,
  model: Model,
  lesson: Lesson,
): Promise<(weights: Readonly<Record<string, Weights>>) => Promise<number>> {
  const { inputs } = context.task
  const states = await HiddenStates.read(await context.open(inputs.validateInput))
  const targets = await HiddenStates.read(await context.open(inputs.validateTarget))
  const { count, length, mask } = await readSequences(context, inputs.validateTokens)
  const { layer, train } = lesson
  const batch = Math.min(16, count)
  return async (weights) => {
    const forward = new Forward(batch, length, context.threads)
    const view = replaceBlocks(
      model,
      train.map(({ slot, block, params }) => ({ layer, slot, block, params, weights: weights[slot]! })),
    )
    const error = new SquaredError()
    for (const { first, again } of chunksOf(count, batch)) {
      const [start, rows] = [first * length, batch * length]
      let y = states.rows(start, rows)
      for (const { slot } of path(model, lesson)) y = await forward.slot(view, layer, slot, y)
      error.add(y, targets.rows(start, rows), mask.slice(start, start + rows).fill(0, 0, again * length))
    }
    await forward.release()
    return error.value
  }
}
