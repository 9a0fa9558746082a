import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modelShapes, parseConfig, saveCheckpoint } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { noise } from '../noise.js'
import { addedToken } from '../added-token.js'

/** Words of the tiny model; with its special tokens it knows 40. */
const words =
  'an ant bat bee cat cow cub dog elk emu ewe fox gnu hen hog jay kid owl pig pug ram rat sow yak is . ? = and'
    .split(' ')
    .concat(['in', 'on', 'at', 'by', 'to', 'of', 'no'])
const special = ['<pad>', '<s>', '</s>', '<unk>']
const vocabulary = Object.fromEntries([...special, ...words].map((word, id) => [word, id]))

const config: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 40,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 64,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
}

const tokenizer = {
  version: '1.0',
  added_tokens: special.map(addedToken),
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: vocabulary, unk_token: '<unk>' },
}

/** A spec of a search that takes seconds, limits of sizes only: they are exact, so nothing depends on measured times. */
export const tinySpec = `apiVersion: puzzleflow/v1
name: tiny
model: ./parent
data:
  train: { path: ./data/train.jsonl }
  validate: { path: ./data/validate.jsonl }
  sequenceLength: 16
tasks: ./tasks
space:
  attention: [parent, { block: grouped-query, kvHeads: [1] }, no-op]
  ffn: [parent, { block: swiglu, width: [50%] }, no-op]
target:
  scenario: { batch: 2, prefill: 4, generate: 4 }
  limits:
    parameters: '<= 80%'
seed: 3
stages:
  profile: { copies: 1, repetitions: 1, precision: 100%, children: 1 }
  capture: { sequences: 64, validateSequences: 16 }
  distill: { tokens: 60k, batch: 4, besideNoOp: parent }
  score: { sequences: 16, pairs: 1 }
  solve: { solutions: 2, minimumDifference: 50% }
  evaluate: { repetitions: 1, sequences: 16 }
  select: { rounds: 0, repetitions: 1, sequences: 16 }
  uptrain: { tokens: 80k, batch: 8 }
  check-child: { repetitions: 1, sequences: 16 }
  improve: { repetitions: 1, sequences: 16 }
  evaluate-child: { repetitions: 1, sequences: 16 }
`

/** Costs of all blocks that `tinySpec` names, in round numbers, as another machine may have measured them. */
export function tinyCosts(): JsonObject {
  const cost = (seconds: number, parameters: number) => ({
    prefillSeconds: seconds,
    decodeSeconds: seconds,
    memoryBytes: 4 * parameters,
    parameters,
  })
  return {
    version: 1,
    fingerprint: { processor: 'somewhere else' },
    scenario: { batch: 2, prefill: 4, generate: 4 },
    floor: cost(0.001, 2592),
    attention: { parent: cost(0.002, 3104), 'grouped-query-1': cost(0.001, 2592), 'no-op': cost(0, 0) },
    ffn: { parent: cost(0.002, 6176), 'swiglu-32': cost(0.001, 3104), 'no-op': cost(0, 0) },
  }
}

/** Writes the search to a new folder: model, tokenizer, data, tasks, costs and spec. @returns the folder */
export async function writeTinySearch(spec = tinySpec, layers = 2): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-tiny-'))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  for (const name of ['parent', 'data', 'tasks']) mkdirSync(join(folder, name))
  await writeModel(join(folder, 'parent'), layers)
  const sentence = (seed: number) => {
    const random = noise(seed)
    return Array.from({ length: 15 }, () => words[Math.floor(Math.abs(random() * 1000)) % words.length]!).join(' ')
  }
  const lines = (count: number, first: number) =>
    Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: sentence(first + i) })}\n`).join('')
  write('data/train.jsonl', lines(96, 1))
  write('data/validate.jsonl', lines(24, 1000))
  write('tasks/tasks.json', JSON.stringify({ next: { chance: 0.025 } }))
  const item = (i: number) => ({ prompt: sentence(2000 + i), answer: words[i]! })
  write('tasks/next.jsonl', Array.from({ length: 8 }, (_, i) => `${JSON.stringify(item(i))}\n`).join(''))
  write('costs.json', JSON.stringify(tinyCosts()))
  write('search.yaml', spec)
  return folder
}

async function writeModel(folder: string, layers: number): Promise<void> {
  const text = JSON.stringify({ ...config, num_hidden_layers: layers })
  writeFileSync(join(folder, 'config.json'), text)
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  const parsed = parseConfig(text, 'config.json')
  const blocks = makeBlocks()
  const shapes = modelShapes(parsed, blocks)
  const random = noise(7)
  const weights = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const size = shape.reduce((n, d) => n * d, 1)
      const [centre, scale] = shape.length === 1 ? [1, 0.1] : [0, 1.2 / Math.sqrt(shape[0]!)]
      return [name, Float32Array.from({ length: size }, () => centre + scale * random())]
    }),
  )
  await saveCheckpoint(join(folder, 'model.safetensors'), parsed, blocks, weights, shapes, 'float32')
}
