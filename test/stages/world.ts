import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allWeights, Decoder, modelShapes, openModel, saveCheckpoint, type Model } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import type { Sequences } from '../../data/sequences.js'
import { blocks, writeTiny } from '../model/tiny.js'
import { noise } from '../noise.js'
import { addedToken } from '../added-token.js'
import { temporaryFolder } from '../temporary-folder.js'

const special = ['<pad>', '<s>', '</s>', '<unk>']
/** Words of the tiny models' language, by id. */
export const words: readonly string[] = [...special, ...Array.from({ length: 46 }, (_, i) => `w${i}`)]

/** Writes the tokenizer of a language of 50 words: one id a word, `<s>` in front. */
export function writeTokenizer(folder: string): void {
  const template = [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }]
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(addedToken),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: {
      type: 'TemplateProcessing',
      single: template,
      pair: [...template, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: null,
    model: { type: 'WordLevel', vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: '<unk>' },
  }
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json))
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', unk_token: '<unk>' }
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
}

/** A text of random words. */
const sentence = (random: () => number, length: number) =>
  Array.from({ length }, () => words[4 + (Math.abs(Math.floor(random() * 1e6)) % 46)]).join(' ')

/** Lines {"text"} of documents of 2 to 20 words. */
export function documents(count: number, seed: number): string {
  const random = noise(seed)
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ text: sentence(random, 2 + ((i * 7) % 19)) }))
  return `${lines.join('\n')}\n`
}

/** What a model says next to prompts of one length, always its most likely token. */
export async function greedy(
  model: Model,
  prompts: readonly (readonly number[])[],
  tokens: number,
): Promise<number[][]> {
  const decoder = await Decoder.create(model, { batch: prompts.length })
  let { best } = await decoder.prefill(Int32Array.from(prompts.flat()))
  const said = Array.from(best, (id) => [id])
  for (let n = 1; n < tokens; n++) {
    best = (await decoder.step(best)).best
    best.forEach((id, i) => said[i]!.push(id))
  }
  await decoder.release()
  return said
}

/** Items of a task: to half of them the parent's greedy continuation is the answer, to the others it is not. */
async function items(parent: string, count: number, seed: number): Promise<string> {
  const random = noise(seed)
  const prompts = Array.from({ length: count }, () => sentence(random, 5))
  const ids = prompts.map((text) => [1, ...text.split(' ').map((word) => words.indexOf(word))])
  const said = await greedy(await openModel(parent, blocks), ids, 2)
  const lines = prompts.map((prompt, i) => {
    const [first, second] = said[i] as [number, number]
    const answer = [first, i % 2 === 0 ? second : (second + 1) % 50]
    return JSON.stringify({ prompt, answer: answer.map((id) => words[id]).join(' ') })
  })
  return `${lines.join('\n')}\n`
}

/** Changes weights of a model's folder, by the names of `modelShapes`. */
export async function changeWeights(folder: string, change: (weights: Record<string, Float32Array>) => void) {
  const model = await openModel(folder, blocks)
  const { config } = model
  const weights = await allWeights(model)
  change(weights)
  const shapes = modelShapes(config, blocks)
  await saveCheckpoint(join(folder, 'model.safetensors'), config, blocks, weights, shapes, 'float32')
}

/** The real tokens of every sequence. */
export const textsOf = ({ count, length, ids, mask }: Sequences): number[][] =>
  Array.from({ length: count }, (_, row) => {
    const own = ids.subarray(row * length, (row + 1) * length)
    return Array.from(own.filter((_, t) => mask[row * length + t] === 1))
  })

/** What a tiny search reads: a parent with its tokenizer, texts and tasks. */
export interface World {
  readonly folder: string
  readonly parent: string
}

/** Writes the files of a tiny search. The parent is random: what it says is arbitrary, but it is a language model. */
export async function tinyWorld(fields: JsonObject = {}, { tokenizer = true } = {}): Promise<World> {
  const folder = temporaryFolder('stages')
  const parent = join(folder, 'parent')
  for (const name of ['parent', 'data', 'tasks']) mkdirSync(join(folder, name))
  await writeTiny(fields, 1, parent)
  if (tokenizer) writeTokenizer(parent)
  writeFileSync(join(folder, 'data/train.jsonl'), documents(30, 11))
  writeFileSync(join(folder, 'data/validate.jsonl'), documents(20, 12))
  writeFileSync(join(folder, 'tasks/tasks.json'), JSON.stringify({ one: { chance: 0.02 }, two: {} }))
  for (const [i, name] of ['one', 'two'].entries())
    writeFileSync(join(folder, `tasks/${name}.jsonl`), await items(parent, 6, 20 + i))
  return { folder, parent }
}

/** Fields of a spec for a world, with `changes`: a field that is null there is left out. */
export function tinySpec(changes: JsonObject = {}): JsonObject {
  const fields = { ...wholeSpec, ...changes }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
}

const wholeSpec: JsonObject = {
  apiVersion: 'puzzleflow/v1',
  name: 'tiny',
  model: './parent',
  data: { train: { path: './data/train.jsonl' }, validate: { path: './data/validate.jsonl' }, sequenceLength: 12 },
  tasks: './tasks',
  space: {
    attention: ['parent', { block: 'grouped-query', kvHeads: [1] }, { block: 'linear' }, 'no-op'],
    ffn: ['parent', { block: 'swiglu', width: [16] }, 'no-op'],
  },
  target: { scenario: { batch: 2, prefill: 4, generate: 4 }, limits: { parameters: '<= 70%' } },
  seed: 5,
}

/** How the stages of a whole search are run here: on few sequences, and trained on so many tokens. */
export function brief({ sequences, distill, uptrain }: Readonly<Record<'sequences' | 'distill' | 'uptrain', number>>) {
  const measuring = { repetitions: 1, sequences, items: sequences / 2 }
  return {
    profile: { repetitions: 1, precision: '100%', copies: 1, children: 1 },
    capture: { validateSequences: sequences },
    distill: { tokens: distill, batch: 4 },
    score: { sequences },
    evaluate: measuring,
    select: measuring,
    uptrain: { tokens: uptrain, batch: 8 },
    'evaluate-child': measuring,
  }
}
