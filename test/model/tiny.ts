import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { familiesOf, modelShapes, openModel, parseConfig, saveCheckpoint, type Model } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { noise } from '../noise.js'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** An empty folder that is removed after the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-test-'))
  folders.push(folder)
  return folder
}

export const blocks = makeBlocks()

/** Fields of config.json of a Llama with 3 layers and all the dimensions different. */
export const tinyConfig: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 50,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  intermediate_size: 40,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
  dtype: 'float32',
}

/** Writes a model, a Llama unless fields say otherwise, with random weights, by default into a folder that is removed after the test. @returns its folder */
export async function writeTiny(
  fields: JsonObject = {},
  seed = 1,
  folder = scratch(),
  known = blocks,
): Promise<string> {
  const text = JSON.stringify({ ...tinyConfig, ...fields })
  await writeFile(join(folder, 'config.json'), text)
  const config = parseConfig(text, 'config.json', familiesOf(known))
  const shapes = modelShapes(config, known)
  const random = noise(seed)
  const weights = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const size = shape.reduce((n, d) => n * d, 1)
      const [centre, scale] =
        shape.length === 1 ? [name.endsWith('norm') ? 1 : 0, 0.2] : [0, 1.5 / Math.sqrt(shape[0]!)]
      return [name, Float32Array.from({ length: size }, () => centre + scale * random())]
    }),
  )
  await saveCheckpoint(join(folder, 'model.safetensors'), config, known, weights, shapes, 'float32')
  return folder
}

export const openTiny = async (fields: JsonObject = {}, seed = 1): Promise<Model> =>
  openModel(await writeTiny(fields, seed), blocks)

/** Token ids of a tiny model. */
export const someIds = (count: number, seed = 1): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => 3 + ((i * 7919 + seed * 104729) % 47))
