import { join } from 'node:path'
import {
  buildSlot,
  Forward,
  layerFacts,
  replaceBlocks,
  rotaryConstants,
  slotShapes,
  type Model,
} from '../../model/index.js'
import { elements, Trainer, writeTensors, type Tensor } from '../../tensor/index.js'
import type { ArtifactRef, JsonObject, Slot, Stage, StageContext, TaskPlan, Weights } from '../api/index.js'
import { entryId, layerName, readJson, variants, type LibraryEntry, type Variant } from './library.js'
import { shuffled } from './random.js'
import { HiddenStates, openParent, readSequences, SquaredError } from './sequences.js'
import { trainWithCheckpoints } from './training.js'

interface DistillParams {
  readonly tokens: number
  readonly batch: number
  readonly learningRate: number
  readonly weightDecay: number
  readonly besideNoOp: 'all' | 'parent' | 'none'
}
interface EntryParams extends JsonObject {
  readonly layer: number
  readonly slot: Slot
  readonly variant: string
  readonly block: string
  readonly params: JsonObject
  readonly beside: 'parent' | 'no-op'
  readonly tokens: number
}

/**
 * Block-wise local distillation (BLD; Puzzle, section 3): each variant alone learns to make its layer's output the
 * parent's, the other slot being frozen. Variants are trained a second time beside an empty other slot, for the layers
 * that lose a slot.
 */
export const distill: Stage<DistillParams> = {
  name: 'distill',
  version: 1,
  reads: ['model', 'space'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      tokens: { quantity: 'tokens', default: 1000000, description: 'Training tokens of each variant.' },
      batch: { type: 'integer', minimum: 1, default: 8, description: 'Sequences of a step.' },
      learningRate: { type: 'number', exclusiveMinimum: 0, default: 0.002 },
      weightDecay: { type: 'number', minimum: 0, default: 0.01 },
      mode: { enum: ['decoupled'], default: 'decoupled', description: 'Each variant alone.' },
      besideNoOp: {
        enum: ['all', 'parent', 'none'],
        default: 'all',
        description: 'Which variants are trained beside a removed other slot too: all, the parent’s own block, none.',
      },
    },
  },

  async plan(context) {
    const { params, stages, spec, blocks } = context
    const model = await openParent(context)
    const files = stages.capture!.files
    const tasks: TaskPlan[] = []
    for (let layer = 0; layer < model.config.layers; layer++)
      for (const slot of ['attention', 'ffn'] as const) {
        const other = slot === 'attention' ? 'ffn' : 'attention'
        const own = variants(spec.space as JsonObject, slot, layerFacts(model.config, layer), blocks)
        const canBeAlone = variants(spec.space as JsonObject, other, layerFacts(model.config, layer), blocks).some(
          (v) => v.empty,
        )
        for (const variant of own.filter((v) => !v.empty))
          for (const beside of ['parent', 'no-op'] as const) {
            const wanted = params.besideNoOp === 'all' || (params.besideNoOp === 'parent' && variant.id === 'parent')
            if (beside === 'parent' ? variant.id === 'parent' : !canBeAlone || !wanted) continue
            tasks.push(plan(layer, slot, variant, beside, params, files, stages.prepare!.files))
          }
      }
    return tasks
  },

  async run(context) {
    const { params, task, stages, blocks, spec, seed } = context
    const own = task.params as unknown as EntryParams
    const { layer, slot, beside } = own
    const model = await openParent(context)
    const facts = layerFacts(model.config, layer)
    const variant = variants(spec.space as JsonObject, slot, facts, blocks).find(({ id }) => id === own.variant)!
    const initial = await initialWeights(context, model, layer, slot, variant)
    const { length, sequences: count } = stages.capture!.values as unknown as { length: number; sequences: number }
    const [inputs, targets] = await Promise.all(
      ['input', 'target'].map(async (name) => HiddenStates.read(await context.open(task.inputs[name]!))),
    )
    const { mask } = await readSequences(context, stages.prepare!.files.train!, count)

    const batch = Math.min(params.batch, count)
    const steps = Math.max(1, Math.round(params.tokens / (batch * length)))
    const trainer = await entryTrainer(model, own, variant, initial, {
      batch,
      length,
      steps,
      params,
      threads: context.threads,
    })
    const order = orders(count, seed)
    const curve = await trainWithCheckpoints({
      trainer,
      steps,
      stepsPerPoint: 8,
      pointsPerCheckpoint: 8,
      what: task.id,
      checkpoint: context.checkpoint,
      signal: context.signal,
      progress: (fraction, message) => context.progress(fraction, message),
      batches(start, steps) {
        const tokens = batch * length
        const width = model.config.hidden
        const x = new Float32Array(steps * tokens * width)
        const target = new Float32Array(steps * tokens * width)
        const weights = new Float32Array(steps * tokens)
        for (let i = 0; i < steps * batch; i++) {
          const from = order(start * batch + i) * length
          x.set(inputs!.rows(from, length), i * length * width)
          target.set(targets!.rows(from, length), i * length * width)
          weights.set(mask.subarray(from, from + length), i * length)
        }
        const states = (data: Float32Array): Tensor => ({ dtype: 'float32', dims: [steps, tokens, width], data })
        return {
          x: states(x),
          target: states(target),
          mask: { dtype: 'float32', dims: [steps, tokens], data: weights },
        }
      },
    })
    const trained: Weights = Object.fromEntries(
      Object.entries(trainer.parameters()).map(([name, data]) => [name, { shape: initial[name]!.shape, data }]),
    )
    await trainer.release()
    const error = await heldOutError(context, model, own)
    const path = join(context.scratch, 'weights')
    await writeTensors(path, tensors(trained))
    const entry: Omit<LibraryEntry, 'weights'> = {
      id: task.id,
      layer,
      slot,
      variant: variant.id,
      block: variant.block,
      params: variant.params,
      beside,
      parameters: Object.values(trained).reduce((n, { data }) => n + data.length, 0),
      nmseBefore: await error(initial),
      nmseAfter: await error(trained),
    }
    return {
      values: entry as unknown as JsonObject,
      files: { weights: await context.putFile('weights', path), curve: await context.put('curve', curve) },
    }
  },

  /** The library: trained entries, and those that need no training. */
  async gather(context) {
    const model = await openParent(context)
    const entries: LibraryEntry[] = context.tasks.map(({ outputs }) => ({
      ...(outputs.values as unknown as LibraryEntry),
      weights: outputs.files.weights!,
    }))
    for (let layer = 0; layer < model.config.layers; layer++)
      for (const slot of ['attention', 'ffn'] as const)
        for (const v of variants(
          context.spec.space as JsonObject,
          slot,
          layerFacts(model.config, layer),
          context.blocks,
        )) {
          if (v.id !== 'parent' && !v.empty) continue
          const shapes = v.empty ? {} : slotShapes(model.config, layer, slot, context.blocks)
          const parameters = Object.values(shapes).reduce((n, shape) => n + elements(shape), 0)
          const { id: variant, block, params } = v
          const id = entryId(layer, slot, variant, 'parent')
          entries.push({
            id,
            layer,
            slot,
            variant,
            block,
            params,
            beside: 'parent',
            weights: null,
            parameters,
            nmseBefore: 0,
            nmseAfter: 0,
          })
        }
    entries.sort((a, b) => (a.id < b.id ? -1 : 1))
    return {
      values: { entries: entries.length, trained: context.tasks.length },
      files: { library: await context.put('library', entries as unknown as JsonObject[]) },
    }
  },
}

/** What enters and should leave, as artifacts of `capture`. Beside a removed attention the FFN sees the layer's input. */
function plan(
  layer: number,
  slot: Slot,
  variant: Variant,
  beside: 'parent' | 'no-op',
  { tokens }: DistillParams,
  files: Readonly<Record<string, ArtifactRef>>,
  prepared: Readonly<Record<string, ArtifactRef>>,
): TaskPlan {
  const number = (n: number) => layerName(n).slice(5)
  const input = slot === 'ffn' && beside === 'parent' ? `mid${number(layer)}` : `hidden${number(layer)}`
  const target = `hidden${number(layer + 1)}`
  const { id, block, params } = variant
  return {
    id: entryId(layer, slot, id, beside),
    label: `layer ${layer}, ${slot}: ${id}${beside === 'no-op' ? ' (other slot removed)' : ''}`,
    group: layerName(layer),
    params: { layer, slot, variant: id, block, params, beside, tokens },
    inputs: {
      input: files[input]!,
      target: files[target]!,
      validateInput: files[`validate-${input}`]!,
      validateTarget: files[`validate-${target}`]!,
      statistics: files.statistics!,
      train: prepared.train!,
      validate: prepared.validate!,
    },
  }
}

/** Training-free weights of a variant, `norm` included. */
export async function initialWeights(
  context: StageContext<unknown>,
  model: Model,
  layer: number,
  slot: Slot,
  variant: Variant,
): Promise<Weights> {
  const parent = await model.weights(layer, slot)
  if (variant.empty || variant.id === 'parent') return variant.empty ? {} : parent
  const statistics = await readJson<Record<string, number[]>>(context, context.stages.capture!.files.statistics!)
  const contribution = statistics[layerName(layer)]
  const { norm, ...own } = parent
  const known = contribution?.length ? { channelContribution: Float32Array.from(contribution) } : {}
  const type = model.blocks.get(slot, variant.block)
  return { norm: norm!, ...type.initialise(own, layerFacts(model.config, layer), variant.params, known) }
}

const tensors = (weights: Weights): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, { dtype: 'float32', dims: shape, data }]),
  )

/** The n-th sequence to train on: every epoch in an order of its own. */
function orders(count: number, seed: number): (n: number) => number {
  let epoch = -1
  let order: Uint32Array = new Uint32Array(0)
  return (n) => {
    if (Math.floor(n / count) !== epoch) {
      epoch = Math.floor(n / count)
      order = shuffled(count, seed * 1000003 + epoch)
    }
    return order[n % count]!
  }
}

async function entryTrainer(
  model: Model,
  { layer, slot, beside }: EntryParams,
  variant: Variant,
  initial: Weights,
  o: { batch: number; length: number; steps: number; params: DistillParams; threads: number },
): Promise<Trainer> {
  const { config, blocks } = model
  const { batch, length } = o
  const tokens = [batch * length, config.hidden]
  // An attention beside the parent's FFN is judged behind it.
  const frozen = slot === 'attention' && beside === 'parent' ? tensors(await model.weights(layer, 'ffn')) : {}
  return Trainer.create({
    parameters: Object.fromEntries(Object.entries(initial).map(([name, { shape, data }]) => [name, { shape, data }])),
    frozen,
    batch: {
      x: { dtype: 'float32', shape: tokens },
      target: { dtype: 'float32', shape: tokens },
      mask: { dtype: 'float32', shape: [batch * length] },
    },
    loss: (g, { parameters, frozen, batch: { x, target, mask } }) => {
      const context = {
        facts: layerFacts(config, layer),
        batch,
        length,
        rotary: rotaryConstants(g, config, length),
        wantState: false,
      }
      let y = buildSlot(g, x!, slot, blocks, variant, parameters, context).x
      if (frozen.norm) y = buildSlot(g, y, 'ffn', blocks, config.blocks[layer]!.ffn, frozen, context).x
      const weight = g.unsqueeze(mask!, 1)
      const power = (v: typeof y) => g.sum(g.mul(g.square(v), weight))
      return g.div(power(g.sub(y, target!)), power(target!))
    },
    optimiser: {
      learningRate: o.params.learningRate,
      weightDecay: o.params.weightDecay,
      totalSteps: o.steps,
      warmupSteps: Math.min(20, Math.ceil(o.steps / 10)),
      finalFraction: 0.05,
    },
    stepsPerCall: 8,
    threads: o.threads,
  })
}

/** Measures weights of the entry on held-out text. */
async function heldOutError(
  context: Parameters<Stage<DistillParams>['run']>[0],
  model: Model,
  { layer, slot, block, params, beside }: EntryParams,
): Promise<(weights: Weights) => Promise<number>> {
  const { task, stages } = context
  const inputs = await HiddenStates.read(await context.open(task.inputs.validateInput!))
  const targets = await HiddenStates.read(await context.open(task.inputs.validateTarget!))
  const { validateSequences: count, length } = stages.capture!.values as unknown as {
    validateSequences: number
    length: number
  }
  const { mask } = await readSequences(context, stages.prepare!.files.validate!, count)
  const batch = Math.min(16, count)
  return async (weights) => {
    const forward = new Forward(batch, length, context.threads)
    const view = replaceBlocks(model, [{ layer, slot, block, params, weights }])
    const error = new SquaredError()
    for (let first = 0; first + batch <= count; first += batch) {
      const [start, rows] = [first * length, batch * length]
      let y = await forward.slot(view, layer, slot, inputs.rows(start, rows))
      if (slot === 'attention' && beside === 'parent') y = await forward.slot(view, layer, 'ffn', y)
      error.add(y, targets.rows(start, rows), mask.subarray(start, start + rows))
    }
    await forward.release()
    return error.value
  }
}
