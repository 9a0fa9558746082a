import { join } from 'node:path'
import { type ArtifactRef, type FanOutStage, type Files } from '../../api/index.js'
import type { DistillOutputs, PrepareOutputs, UptrainOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput } from '../../puzzle/inputs.js'
import { parameterCount } from '../../puzzle/costs.js'
import { childShare, gkdFlops } from '../../puzzle/estimates/flops.js'
import { expectedReading } from '../../puzzle/estimates/reading.js'
import { uptrainingSizes } from '../../puzzle/estimates/uptraining-sizes.js'
import { chosenSolution, type ChoosingStages } from '../../puzzle/chosen-solution.js'
import { isLayerwise } from '../../puzzle/layerwise/bounds.js'
import { asTask, assemble, chosenEntries, type Filling } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import { openParent } from '../../puzzle/parent.js'
import { readSequences } from '../../data/sequences.js'
import { mannerOf, unusualLosses, uptrainLosses, type UptrainParams } from '../../puzzle/uptrain-params.js'
import { uptrainChild } from '../../puzzle/uptraining.js'
import { batch, learningRate, weightDecay } from '../../puzzle/parameters.js'

interface UptrainTask {
  readonly params: UptrainParams & { readonly fillings: readonly Filling[] }
  /** Weights by entry, and the text. */
  readonly inputs: Files & { readonly train: ArtifactRef }
  readonly outputs: UptrainOutputs
}

/**
 * Global knowledge distillation (GKD): all layers of the child learn from the parent, by the cosine similarity of the hidden
 * states after every layer and the KL of predictions. Embedding and head do not change. Weights that are integers in memory are
 * rounded in every step, and the gradient passes unchanged (straight-through estimator).
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 5
 */
export const uptrain: FanOutStage<
  UptrainParams,
  ChoosingStages & { readonly prepare: PrepareOutputs; readonly distill: DistillOutputs },
  UptrainOutputs,
  UptrainTask,
  ModelInput
> = {
  name: 'uptrain',
  // 3: tokens are counted without padding. 4: says how it trained.
  version: 4,
  reads: [],
  taskReads: ['model'],
  exclusive: true,
  about: { summary: 'Trains the whole child to match the parent’s predictions.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      tokens: {
        description: 'Tokens to train the child on, padding not counted; text that has fewer is repeated.',
        quantity: 'tokens',
        default: 10000000,
      },
      batch: batch(32, 'Sequences per step.'),
      learningRate: { ...learningRate, default: 0.001 },
      weightDecay: { ...weightDecay, default: 0.01 },
      freezeNorm: {
        type: 'boolean',
        description:
          'Keeps the last norm unchanged, as needed for a child from which a later round starts: its children share it with the parent. Default: false.',
      },
      losses: {
        type: 'array',
        minItems: 1,
        maxItems: uptrainLosses.length,
        uniqueItems: true,
        items: { enum: [...uptrainLosses] },
        default: ['cosine', 'kl'],
        description:
          'Terms of the loss, added up. cosine: 1 - the cosine similarity to the parent of the hidden states after each layer; kl: KL of the predictions from the parent’s; lm: cross-entropy of the next token, without the parent.',
      },
      klTokens: {
        quantity: 'fraction',
        exclusiveMinimum: 0,
        maximum: 1,
        default: 1,
        description:
          'Share of the tokens of each step at which predictions are compared; the cosine is taken at all tokens. With a large vocabulary, the head takes longer than all layers: a quarter then trains on twice the tokens in the same time.',
      },
      layerwise: {
        type: 'boolean',
        description:
          'Keeps one layer at a time in memory, and weights and moments on disk: slower, with the same numbers to rounding. Default: true for parents of more than 400 million parameters.',
      },
      keepParentStates: {
        type: 'boolean',
        description:
          'Layer by layer: keeps the parent’s hidden states of all text on disk for the next pass over it, instead of computing them again. It saves a fifth of the time where text is repeated. Default: false.',
      },
    },
  },

  /** Estimates disk space for the child's weights and a checkpoint, and memory for the training, by assuming that the child has
   *  half of the parent's size. */
  async resources({ params, ...context }) {
    const model = await openParent(context)
    const read = await expectedReading(context, model)
    const { memory, temporary } = uptrainingSizes(model, params, read)
    const flops = read && gkdFlops(model, read.length, params.klTokens, isLayerwise(model, params))
    return {
      disk: temporary + 4 * childShare * parameterCount(model),
      memory,
      tasks: 1,
      ...(read && flops !== undefined && { work: { training: (params.tokens / read.filled) * flops } }),
    }
  },

  /** Plans one task. It depends only on the chosen blocks, and not on the others in the space. */
  async plan(context) {
    const { stages } = context
    const { losses: asked, klTokens = 1, ...params } = context.params
    const losses = unusualLosses(asked)
    const solution = await chosenSolution(context)
    const { fillings, inputs } = asTask(chosenEntries(await readLibrary(context), solution.choice))
    return [
      {
        id: 'child',
        label: 'the selected child',
        // Usual parameters are left out, so that keys stay what they were before there was a choice.
        params: { ...params, ...(losses && { losses }), ...(klTokens < 1 && { klTokens }), fillings },
        inputs: { ...inputs, train: stages.prepare.files.train },
      },
    ]
  },

  async run(context) {
    const { task, seed } = context
    const { fillings, ...params } = task.params
    const parent = await openParent(context)
    const child = assemble(parent, fillings, task.inputs, context)
    const text = await readSequences(context, task.inputs.train)
    const path = join(context.scratch, 'child')
    const { curve, ...values } = await uptrainChild(parent, child, fillings, text, { ...params, seed }, context, path)
    return {
      values: { ...values, ...mannerOf(params) },
      files: {
        child: await context.putFile('weights', path),
        curve: await context.put('curve', curve),
      },
    }
  },

  gather: async ({ tasks }) => tasks[0]!.outputs,
}
