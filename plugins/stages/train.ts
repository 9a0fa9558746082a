import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import {
  companionsOf,
  allWeights,
  buildModel,
  familiesOf,
  finalNorm,
  modelShapes,
  openModel,
  parseConfig,
  saveCheckpoint,
  Tokenizer,
  type ModelConfig,
} from '../../model/index.js'
import { elements, Trainer, type AdamWOptions } from '../../tensor/index.js'
import { Failure, type JsonObject, type SingleStage } from '../../api/index.js'
import { readCorpus } from '../../data/corpus.js'
import { normal } from '../../tensor/random.js'
import { trainWithCheckpoints } from '../../puzzle/train-with-checkpoints.js'
import { batch, learningRate, weightDecay } from '../../puzzle/parameters.js'

interface TrainParams {
  /** Fields of a Hugging Face `config.json`. By default, the model is a Llama. */
  readonly config: JsonObject
  readonly sequenceLength: number
  readonly batch: number
  readonly steps: number
  readonly optimiser: Omit<AdamWOptions, 'totalSteps'>
  /** Loss weight of tokens outside of the answers. */
  readonly contextWeight: number
  /** Name of the pipeline's input with the data. */
  readonly corpus: string
}

/** Trains a model, from scratch or from the checkpoint of an earlier `train` stage, and writes it as a Hugging Face checkpoint in
 *  float16. The data are JSON lines {"text", "answers": [[start, end], …]}, with optional answers in characters. Each document is
 *  one sequence, in the order of the file. */
export const train: SingleStage<TrainParams> = {
  name: 'train',
  version: 1,
  reads: ['corpus', 'corpus2', 'tokenizer'],
  about: { summary: 'Trains a model on text, without a parent.' },
  parameters: {
    type: 'object',
    required: ['config', 'steps'],
    additionalProperties: false,
    properties: {
      config: { type: 'object', description: 'Fields of config.json; by default the model is a Llama.' },
      sequenceLength: {
        description: 'Tokens per sequence.',
        type: 'integer',
        minimum: 2,
        maximum: 2 ** 24,
        default: 128,
      },
      batch: batch(32, 'Sequences per step.'),
      steps: { description: 'Number of training steps.', type: 'integer', minimum: 1, maximum: 1e9 },
      corpus: { enum: ['corpus', 'corpus2'], default: 'corpus', description: 'The input of the pipeline to read.' },
      contextWeight: {
        description: 'Loss weight of tokens outside the answers; answers have weight 1.',
        type: 'number',
        minimum: 0,
        maximum: 1e6,
        default: 1,
      },
      optimiser: {
        description: 'Options of AdamW: learningRate, weightDecay and the others of `puzzleflow/tensor`.',
        type: 'object',
        required: ['learningRate'],
        properties: { learningRate, weightDecay },
        default: { learningRate: 1e-3 },
      },
    },
  },

  async run(context) {
    const { params, spec, blocks, seed, scratch } = context
    const { batch, sequenceLength: length, steps } = params
    const configText = JSON.stringify(
      {
        ...((params.config.model_type ?? 'llama') === 'llama' && {
          model_type: 'llama',
          architectures: ['LlamaForCausalLM'],
        }),
        ...params.config,
      },
      null,
      2,
    )
    const config = parseConfig(configText, 'config', familiesOf(blocks))
    if (length > config.maxPositions)
      throw new Failure(
        'InvalidInput',
        `sequenceLength ${length} is more than the model's ${config.maxPositions} positions`,
        { remedy: `Give ${config.maxPositions} or less, or raise max_position_embeddings.` },
      )
    const tokenizer = Tokenizer.open(spec.tokenizer as string, config.vocabulary)
    const corpus = await readCorpus(spec[params.corpus] as string, tokenizer, length + 1, params.contextWeight)
    context.log('corpus read', { documents: corpus.count })

    const shapes = modelShapes(config, blocks)
    const trainer = await Trainer.create({
      parameters: (await continued(context, shapes)) ?? initialWeights(config, shapes, seed),
      batch: {
        ids: { dtype: 'int64', shape: [batch * length] },
        labels: { dtype: 'int64', shape: [batch * length] },
        weights: { dtype: 'float32', shape: [batch * length] },
      },
      loss: (g, { parameters, batch: { ids, labels, weights } }) => {
        const { hidden } = buildModel(g, config, blocks, ids!, parameters, { batch, length })
        const head = config.tied ? parameters.embedding! : parameters.head!
        const sum = g.crossEntropyHead(finalNorm(g, config, hidden, parameters.norm!), head, labels!, weights!, {
          ...(config.finalSoftcap !== undefined && { softcap: config.finalSoftcap }),
        })
        return g.div(sum, g.sum(weights!))
      },
      optimiser: { ...params.optimiser, totalSteps: steps },
      stepsPerCall: 8,
      threads: context.threads,
    })
    const curve = await trainWithCheckpoints({
      trainer,
      steps,
      what: 'train',
      checkpoint: context.checkpoint,
      signal: context.signal,
      progress: (fraction, message) => context.progress(fraction, message),
      batches: (start, count) => corpus.batches(start * batch, count, batch),
    })

    const beside = companionsOf(spec.tokenizer as string).filter((name) => /^tokenizer(_config)?\.json$/.test(name))
    const files = ['config.json', 'model.safetensors', ...beside]
    await writeFile(join(scratch, 'config.json'), `${configText}\n`)
    await saveCheckpoint(join(scratch, 'model.safetensors'), config, blocks, trainer.parameters(), shapes, 'float16')
    for (const name of beside) await copyFile(join(spec.tokenizer as string, name), join(scratch, name))
    await trainer.release()
    const stored = []
    for (const name of files) stored.push([name, await context.putFile(basename(name), join(scratch, name))] as const)
    return {
      values: {
        steps,
        loss: curve.at(-1)!.loss,
        parameters: Object.values(shapes).reduce((n, s) => n + elements(s), 0),
      },
      files: { ...Object.fromEntries(stored), curve: await context.put('curve', curve) },
    }
  },
}

/** Reads the weights of the checkpoint of a stage that this one needs. */
async function continued(
  context: Parameters<(typeof train)['run']>[0],
  shapes: Readonly<Record<string, readonly number[]>>,
) {
  const before = Object.values(context.stages).find(({ files }) => files['model.safetensors'])
  if (!before) return undefined
  const folder = join(context.scratch, 'before')
  await mkdir(folder)
  for (const name of ['config.json', 'model.safetensors'])
    await copyFile(await context.open(before.files[name]!), join(folder, name))
  const weights = await allWeights(await openModel(folder, context.blocks))
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const data = weights[name]
    if (data?.length !== elements(shape))
      throw new Failure(
        'InvalidInput',
        `config does not fit the checkpoint of the previous stage: ${name} has a different shape`,
        {
          remedy: 'Use the same config in both stages.',
        },
      )
    return [name, { shape: [...shape], data }] as const
  })
  return Object.fromEntries(entries)
}

/** Initial weights: normal with standard deviation 1/sqrt(fan-in), divided by sqrt(2 layers) for outputs into the residual
 *  stream; norms 1, biases 0. */
function initialWeights(config: ModelConfig, shapes: Readonly<Record<string, readonly number[]>>, seed: number) {
  const random = normal(seed)
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const data = new Float32Array(elements(shape))
      if (shape.length === 1) data.fill(/(norm|post)$/.test(name) ? 1 - config.normOffset : 0)
      else {
        const fanIn = name === 'head' || name === 'embedding' ? shape[1]! : shape[0]!
        const residual = /\.(o|down)$/.test(name) ? Math.sqrt(2 * config.layers) : 1
        const scale = 1 / Math.sqrt(fanIn) / residual
        for (let i = 0; i < data.length; i++) data[i] = random() * scale
      }
      return [name, { shape: [...shape], data }]
    }),
  )
}
