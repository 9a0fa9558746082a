import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Failure, type Blocks, type Slot, type Weights } from '../plugins/api/index.js'
import { slotShapes } from './build.js'
import { parseConfig, type ModelConfig } from './config.js'
import { SafetensorsFile } from './safetensors.js'
import { checkpointName, transposed } from './save.js'

/** A model whose weights are read when they are asked for. Matrices of slots lie as [in, out]. */
export interface Model {
  readonly config: ModelConfig
  readonly blocks: Blocks
  /** Weights of a slot, its norm included as `norm`; {} for an empty block. */
  weights(layer: number, slot: Slot): Promise<Weights>
  /** [vocabulary, hidden] */
  embedding(): Promise<Float32Array>
  /** Weight of the norm before the head, [hidden]. */
  norm(): Promise<Float32Array>
  /** [vocabulary, hidden]; the embedding where they are tied. */
  head(): Promise<Float32Array>
}

/**
 * Opens a Hugging Face Llama checkpoint, or a child that puzzleflow wrote. Names and shapes of all tensors are checked;
 * no weight is read.
 * @throws Failure InvalidInput naming file, tensor and remedy
 */
export async function openModel(folder: string, blocks: Blocks): Promise<Model> {
  const configFile = join(folder, 'config.json')
  const text = await readFile(configFile, 'utf8').catch((error: Error) => {
    throw new Failure('InvalidInput', `${configFile} cannot be read: ${error.message}`, {
      file: configFile,
      remedy: 'The model must be a folder with config.json, safetensors files and tokenizer.json.',
    })
  })
  const config = parseConfig(text, configFile)
  const files = await openFiles(folder)
  const found = new Map(files.flatMap((file) => [...file.tensors.keys()].map((name) => [name, file] as const)))
  const expected = expectedTensors(config, blocks)

  for (const [name, shape] of expected) {
    const file = found.get(name)
    if (!file)
      throw new Failure('InvalidInput', `${folder}: tensor ${name} is missing`, {
        file: folder,
        remedy: 'The checkpoint does not fit its config.json: copy both from the same source.',
      })
    const own = file.tensors.get(name)!.shape
    if (own.join() !== shape.join())
      throw new Failure(
        'InvalidInput',
        `${file.path}: tensor ${name} is [${own.join(', ')}], not [${shape.join(', ')}]`,
        {
          file: file.path,
          remedy: 'The checkpoint does not fit its config.json: copy both from the same source.',
        },
      )
  }
  for (const [name, file] of found)
    if (!expected.has(name) && !name.endsWith('rotary_emb.inv_freq') && !(config.tied && name === 'lm_head.weight'))
      throw new Failure('InvalidInput', `${file.path}: tensor ${name} is not part of a Llama model`, {
        file: file.path,
      })

  const read = (name: string) => found.get(name)!.read(name)
  return {
    config,
    blocks,
    embedding: () => read('model.embed_tokens.weight'),
    norm: () => read('model.norm.weight'),
    head: () => read(config.tied ? 'model.embed_tokens.weight' : 'lm_head.weight'),
    async weights(layer, slot) {
      const entries = Object.entries(slotShapes(config, layer, slot, blocks)).map(async ([weight, shape]) => {
        const { name, transpose } = checkpointName(config, layer, slot, weight)
        const data = await read(name)
        return [weight, { shape, data: transpose ? transposed(data, shape[1]!, shape[0]!) : data }] as const
      })
      return Object.fromEntries(await Promise.all(entries))
    },
  }
}

/** Shapes of a checkpoint's tensors by their names there. */
function expectedTensors(config: ModelConfig, blocks: Blocks): Map<string, readonly number[]> {
  const { vocabulary, hidden } = config
  const expected = new Map<string, readonly number[]>([
    ['model.embed_tokens.weight', [vocabulary, hidden]],
    ['model.norm.weight', [hidden]],
  ])
  if (!config.tied) expected.set('lm_head.weight', [vocabulary, hidden])
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const [weight, shape] of Object.entries(slotShapes(config, layer, slot, blocks))) {
        const { name, transpose } = checkpointName(config, layer, slot, weight)
        expected.set(name, transpose ? [...shape].reverse() : shape)
      }
  return expected
}

/** The one safetensors file of a folder, or those its index names. */
async function openFiles(folder: string): Promise<SafetensorsFile[]> {
  const single = join(folder, 'model.safetensors')
  const index = join(folder, 'model.safetensors.index.json')
  if (existsSync(single)) return [await SafetensorsFile.open(single)]
  const bad = (file: string, message: string) =>
    new Failure('InvalidInput', `${file} ${message}`, {
      file,
      remedy:
        'The model must be a folder with config.json and model.safetensors, or shards with model.safetensors.index.json.',
    })
  if (!existsSync(index)) throw bad(folder, 'has neither model.safetensors nor model.safetensors.index.json')
  let map: Record<string, unknown>
  try {
    map = (JSON.parse(await readFile(index, 'utf8')) as { weight_map: Record<string, unknown> }).weight_map
  } catch {
    throw bad(index, 'is not JSON')
  }
  const names = [...new Set(Object.values(map ?? {}))]
  for (const name of names)
    if (typeof name !== 'string' || basename(name) !== name || name.startsWith('.'))
      throw bad(index, `names the file ${JSON.stringify(name)}, which is not in the folder`)
  return Promise.all((names as string[]).map((name) => SafetensorsFile.open(join(folder, name))))
}
