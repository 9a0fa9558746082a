import { join } from 'node:path'
import { layerFacts, slotShapes } from '../../model/index.js'
import { elements, writeTensors } from '../../tensor/index.js'
import { tensorsOf } from '../../tensor/tensors-of.js'
import type { ArtifactRef, FanOutStage, Files, Outputs, Slot, Weights } from '../../api/index.js'
import { lessonBytes } from '../../puzzle/estimates/memory.js'
import { captured, hiddenName, midName, tokensName, type CapturedText } from '../../puzzle/captured.js'
import { earlierLibrary, earlierName, earlierWeights, openBase } from '../../puzzle/base.js'
import type { BaseOutputs, CaptureOutputs, DistillOutputs } from '../../puzzle/hand-over.js'
import { capturedOf, expectedReading } from '../../puzzle/estimates/reading.js'
import type { ModelInput, SpaceInput } from '../../puzzle/inputs.js'
import { lessonsWork } from '../../puzzle/estimates/lessons.js'
import { heldOutError, learned, type Lesson, type LessonInputs, type Pupil } from '../../puzzle/lesson.js'
import { allVariants, coupledParameter, lessons, type DistillParams } from '../../puzzle/curriculum.js'
import { weightsOf } from '../../api/weights.js'
import { alike, initialWeights, sampleInputs, samplesFor } from '../../puzzle/initial-weights.js'
import { layerName } from '../../puzzle/layer-name.js'
import { entryId, ownVariant, type LibraryEntry } from '../../puzzle/library.js'
import { emptyEntries, runVariants, runWeights } from '../../puzzle/run-variants.js'
import { blocksOf, openParent } from '../../puzzle/parent.js'
import { stepsFor } from '../../data/sequences.js'
import { trainLesson } from '../../puzzle/train-lesson.js'
import type { CurvePoint } from '../../puzzle/train-with-checkpoints.js'
import { batch, learningRate, weightDecay } from '../../puzzle/parameters.js'

interface DistillTask {
  readonly params: Lesson
  readonly inputs: LessonInputs & { readonly base?: BaseOutputs['files']['base'] }
  /** Weights by entry, and the loss curve. */
  readonly outputs: Outputs<
    { readonly entries: readonly Omit<LibraryEntry, 'weights'>[] },
    Files & { readonly curve: ArtifactRef<readonly CurvePoint[]> }
  >
}

/**
 * Blockwise local distillation (BLD): trains variants to reproduce the output of their layer in the parent. Decoupled training
 * takes one slot at a time, while the other holds the parent's frozen block. Variants are trained a second time next to an empty
 * slot, for layers that lose one; requested pairs are trained together. In a later round, variants go on from what they were in
 * the round before, and learn to do what the base does.
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 3
 */
export const distill: FanOutStage<
  DistillParams,
  { readonly capture: CaptureOutputs; readonly base?: BaseOutputs },
  DistillOutputs,
  DistillTask,
  ModelInput & SpaceInput
> = {
  name: 'distill',
  // 4: tokens are counted without padding.
  version: 4,
  reads: ['model', 'space'],
  taskReads: ['model'],
  partial: true,
  about: { summary: 'Trains each variant of each layer on its own to imitate the parent’s block.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      tokens: {
        quantity: 'tokens',
        default: 1000000,
        description: 'Tokens to train each variant on, padding not counted; captured text that has fewer is repeated.',
      },
      batch: batch(8, 'Sequences per step.'),
      learningRate: { ...learningRate, default: 0.002 },
      weightDecay: { ...weightDecay, default: 0.01 },
      mode: {
        enum: ['decoupled', 'coupled'],
        default: 'decoupled',
        description: 'decoupled: each variant on its own; coupled: every pair of variants of a layer together as well.',
      },
      coupled: coupledParameter,
      training: {
        enum: ['gradient', 'closed-form', 'none'],
        default: 'gradient',
        description:
          'gradient: each variant is trained for `tokens`. For a first look at a space in less time: closed-form solves for the last matrix of each variant by least squares on as many tokens; none keeps the training-free weights.',
      },
      besideNoOp: {
        enum: ['all', 'parent', 'none'],
        default: 'all',
        description:
          'Which variants are also trained with the other slot removed: all, only the parent’s block, or none.',
      },
    },
  },

  async resources({ params, ...context }) {
    const model = await openParent(context)
    const all = lessons(model, context.spec.space, params, context.runs)
    const weights = all.flatMap(({ layer, train }) =>
      train.map(({ slot, block, params }) => {
        const shapes = Object.values(model.blocks.get(slot, block).shapes(layerFacts(model.config, layer), params))
        return shapes.reduce((n, shape) => n + elements(shape), model.config.hidden)
      }),
    )
    const read = await expectedReading(context, model)
    const bytesOf = lessonBytes(model, params.batch, read?.length ?? 128)
    const held = read && { ...read, validate: capturedOf(context.stages.capture, read).validate }
    return {
      disk: 4 * weights.reduce((a, b) => a + b, 0),
      memory: all.reduce((most, lesson) => Math.max(most, bytesOf(lesson)), 0),
      tasks: all.length,
      ...(held && { work: lessonsWork(model, all, params, held) }),
    }
  },

  async plan(context) {
    const { params, stages, spec } = context
    const base = stages.base?.files.base
    const model = await openBase(context, base)
    const library = await earlierLibrary(context, stages.base)
    const { files, values } = stages.capture
    const { tokens, sequences, length } = values
    const batch = Math.min(params.batch, sequences)
    const bytesOf = lessonBytes(model, batch, length)
    const steps = params.training === 'gradient' ? stepsFor(params.tokens, batch, sequences, tokens) : 0
    const solves = params.training === 'closed-form'
    const solveOn = Math.min(sequences, stepsFor(params.tokens, 1, sequences, tokens))
    const { weightDecay } = params
    return lessons(model, spec.space, params, context.runs).flatMap((lesson) => {
      const { layer, train, beside, run } = lesson
      const begins = (own: Pupil) =>
        run ? library!.get(own.entry)?.weights : earlierWeights(model, library!, layer, own)
      const earlier = library && train.map((own) => [own.slot, begins(own)] as const)
      // What was left out in the round before stays so.
      if (earlier?.some(([, weights]) => weights === undefined)) return []
      // Next to the parent's attention, an FFN sees the hidden states after it; otherwise, the layer's input.
      const alone = train.length === 1 && train[0]!.slot === 'ffn' && beside === 'parent'
      const input = (text: CapturedText) => captured(files, (alone ? midName : hiddenName)(text, layer))
      const target = (text: CapturedText) => captured(files, hiddenName(text, layer + (run?.span ?? 1)))
      const beforeFfn =
        !run &&
        train[0]!.slot === 'attention' &&
        (train.length > 1 ||
          (beside === 'parent' && !model.blocks.get('ffn', model.config.blocks[layer]!.ffn.block).empty))
      const names = train.map(({ variant }) => variant).join(' + ')
      const touchUp = beside === 'parent' && train.every((own) => alike(own, model.config.blocks[layer]![own.slot]))
      const learningRate = params.learningRate * (touchUp ? touchUpRate : 1)
      return {
        id: train.map(({ entry }) => entry).join(' + '),
        label: run
          ? `layers ${layer} to ${layer + run.span - 1} as one: ${run.name}`
          : `layer ${layer}, ${train.map(({ slot }) => slot).join(' and ')}: ${names}${beside === 'no-op' ? ' (other slot removed)' : ''}`,
        group: layerName(layer),
        memory: bytesOf(lesson),
        params: { ...lesson, batch, steps, ...(solves && { solveOn }), learningRate, weightDecay },
        inputs: {
          input: input('train'),
          target: target('train'),
          ...(solves && beforeFfn && { mid: captured(files, midName('train', layer)) }),
          tokens: files.tokens,
          validateInput: input('validate'),
          validateTarget: target('validate'),
          validateTokens: captured(files, tokensName('validate')),
          statistics: files.statistics,
          ...(earlier ? earlierInputs(earlier) : samplesFor(model, layer, train, files)),
          ...(base && { base }),
        },
        blocks: [...blocksOf(model), ...train.map(({ slot, block }) => ({ slot, name: block }))],
        ...(run && { runs: [run.name] }),
      }
    })
  },

  async run(context) {
    const { task, scratch } = context
    const lesson = task.params
    const { layer, train, beside, run } = lesson
    const model = await openBase(context, task.inputs.base)
    const initial: Record<string, Weights> = {}
    if (run && !model.origin) Object.assign(initial, await runWeights(model, layer, run, train, context.runs))
    else
      for (const { slot, block, params, variant } of train)
        initial[slot] = await initialWeights(
          context,
          model,
          layer,
          slot,
          { block, params, parent: variant === ownVariant(model, layer, slot) },
          {
            statistics: task.inputs.statistics,
            ...sampleInputs(task.inputs, slot, 'tokens'),
            earlier: task.inputs[earlierName(slot)],
          },
        )
    const { weights: last, curve } = await trainLesson(context, model, initial)
    const error = await heldOutError(context, model, lesson)
    const [nmseBefore, nmseLast] = [await error(initial), await error(last)]
    // Rounded weights without training can be better than those after a few steps, and weights that are solved for on a little text.
    const kept = lesson.steps > 0 && train.every(({ params }) => weightsOf(params) === 'float32')
    const better = nmseLast <= nmseBefore || kept
    const [trained, nmseAfter] = better ? [last, nmseLast] : [learned(model, lesson, initial), nmseBefore]
    const entries: Omit<LibraryEntry, 'weights'>[] = []
    const files: Record<string, ArtifactRef> = {}
    for (const { entry: id, slot, variant, block, params } of train) {
      const weights = trained[slot]!
      const path = join(scratch, slot)
      await writeTensors(path, tensorsOf(weights))
      files[id] = await context.putFile('weights', path)
      const parameters = Object.values(weights).reduce((n, { data }) => n + data.length, 0)
      const other = train.find((own) => own.slot !== slot)?.variant ?? beside
      const evidence = {
        beside: run ? context.runs.get(run.name).id(run.params) : other,
        parameters,
        nmseBefore,
        nmseAfter,
      }
      entries.push({ id, layer, slot, variant, block, params, ...(run && { span: run.span }), ...evidence })
    }
    return { values: { entries }, files: { ...files, curve: await context.put('curve', curve) } }
  },

  /** Assembles the library: trained entries, and those that need no training. */
  async gather(context) {
    const model = await openBase(context, context.stages.base?.files.base)
    const ofBase = new Map(model.origin?.entries.map((entry) => [entry.id, entry]))
    const entries: LibraryEntry[] = context.tasks.flatMap(({ outputs }) =>
      outputs.values.entries.map((own) => ({ ...own, weights: outputs.files[own.id]! })),
    )
    for (const { layer, slot, variant: v } of allVariants(model, context.spec.space)) {
      if (!v.own && !v.empty) continue
      const id = entryId(layer, slot, v.id, 'parent')
      const own = ofBase.get(id)
      if (own) {
        entries.push(own)
        continue
      }
      const shapes = v.empty ? {} : slotShapes(model.config, layer, slot, context.blocks)
      const parameters = Object.values(shapes).reduce((n, shape) => n + elements(shape), 0)
      const untrained = { layer, slot, variant: v.id, block: v.block, params: v.params, beside: 'parent' }
      entries.push({ id, ...untrained, weights: null, parameters, nmseBefore: 0, nmseAfter: 0 })
    }
    const known = new Set(entries.map(({ id }) => id))
    const runs = runVariants(model, context.spec.space, context.runs)
    entries.push(...emptyEntries(runs).filter(({ id }) => !known.has(id)))
    entries.sort((a, b) => (a.id < b.id ? -1 : 1))
    return {
      values: { entries: entries.length, trained: context.tasks.length, leftOut: context.skipped },
      files: { library: await context.put('library', entries) },
    }
  },
}

/** Inputs of a task: the weights that its slots begin with. */
const earlierInputs = (earlier: readonly (readonly [Slot, ArtifactRef | null | undefined])[]): Files =>
  Object.fromEntries(earlier.flatMap(([slot, weights]) => (weights ? [[earlierName(slot), weights]] : [])))

/** Share of the learning rate for the parent's own weights if they are only rounded, since they are nearly right already. On the
 *  quickstart's second layer, 4-bit weights reached an error of 2.1e-4 with the full rate, and 5e-5 with this. */
const touchUpRate = 1 / 20
