import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readSchema } from '../../schemas/read.js'
import { writeByteLevelTokenizer } from '../byte-level.js'
import { askLlama, skipped, withoutLlama } from '../gguf/llama.js'
import { writeTiny } from '../model/tiny.js'
import { noise } from '../noise.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'
import { tinySpec, writeTinySearch } from './tiny-search.js'

const words = 'ant bat bee cat cow dog elk fox hen jay owl pig rat yak'.split(' ')

/** A search over conversations for a child in llama.cpp; in float32, as llama.cpp rounds what float16 is multiplied with. */
const specOf = (name: string, model: string) =>
  tinySpec
    .replace('name: tiny', `name: ${name}`)
    .replace('model: ./parent', `model: ${model}`)
    .replace('target:', 'target:\n  format: gguf')
    .replace('sequenceLength: 16', 'sequenceLength: 24')
    .concat('  export: { dtype: float32 }\n')

/** A folder with a parent whose tokenizer GGUF can say, and conversations. */
async function writeSearch(): Promise<string> {
  const folder = await writeTinySearch(specOf('from-hf', './parent'))
  const parent = join(folder, 'parent')
  const vocabulary = writeByteLevelTokenizer(parent, words)
  await writeTiny({ vocab_size: vocabulary, num_hidden_layers: 2, hidden_size: 32 }, 7, parent)
  const random = noise(3)
  const sentence = () =>
    Array.from({ length: 5 }, () => ` ${words[Math.floor(Math.abs(random() * 1e4)) % 14]}`).join('')
  const conversation = () => ({
    messages: [
      { role: 'user', content: sentence() },
      { role: 'assistant', content: sentence() },
    ],
  })
  const lines = (count: number, make: () => object) =>
    Array.from({ length: count }, () => `${JSON.stringify(make())}\n`).join('')
  writeFileSync(join(folder, 'data/train.jsonl'), lines(96, conversation))
  writeFileSync(join(folder, 'data/validate.jsonl'), lines(24, conversation))
  writeFileSync(
    join(folder, 'tasks/next.jsonl'),
    lines(8, () => ({ prompt: sentence(), answer: sentence().slice(0, 4) })),
  )
  return folder
}

interface Result {
  readonly solutionDigest: string
  readonly child: { readonly parameters: number; readonly layers: readonly object[] }
  readonly exports: Readonly<Record<'hf' | 'gguf', Readonly<Record<string, { readonly digest: string }>>>>
}

let place: Place
const resultOf = (run: string) =>
  JSON.parse(readFileSync(join(place.folder, `runs/${run}/result.json`), 'utf8')) as Result

async function search(name: string, spec: string): Promise<Result> {
  writeFileSync(join(place.folder, `${name}.yaml`), spec)
  const { code, stderr } = await place.run('run', `${name}.yaml`)
  expect(code, stderr).toBe(0)
  return resultOf(name)
}

async function json<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await place.run(...args, '--json')
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as T
}

/** Whole searches run here, beside other tests. */
const patience = 300_000

beforeAll(async () => {
  await testServer()
  place = new Place(await writeSearch(), inject('stateHome'))
  await json('export', 'parent', '--format', 'gguf', '-o', 'parent-gguf')
  await search('from-hf', specOf('from-hf', './parent'))
}, serverTimeout + patience)
afterAll(() => place.close())

test('a search over conversations leaves its child as a folder and as a GGUF file beside it', async () => {
  const result = resultOf('from-hf')
  const validate = new Ajv2020({ strict: false }).compile(readSchema('result'))
  expect(validate(result), JSON.stringify(validate.errors)).toBe(true)
  expect(Object.keys(result.exports.gguf)).toEqual(['child.gguf'])
  expect(Object.keys(result.exports.hf)).toContain('model.safetensors')
  const runs = join(place.folder, 'runs/from-hf')
  expect(existsSync(join(runs, 'child/child.gguf'))).toBe(false)
  expect(readFileSync(join(runs, 'child/README.md'), 'utf8')).toMatch(/\| child.gguf \| `(sha256[:-])?[0-9a-f]{64}` \|/)
  // The file is what the command makes of the folder.
  await json('export', 'runs/from-hf/child', '--format', 'gguf', '-o', 'again')
  expect(readFileSync(join(place.folder, 'again/model.gguf')).equals(readFileSync(join(runs, 'child.gguf')))).toBe(true)
})

test(
  'the same weights as a GGUF file give the same child, to the byte',
  async () => {
    const [before, result] = [
      resultOf('from-hf'),
      await search('from-gguf', specOf('from-gguf', './parent-gguf/model.gguf')),
    ]
    expect(result.child.layers).toEqual(before.child.layers)
    expect(result.exports.hf['model.safetensors']).toEqual(before.exports.hf['model.safetensors'])
    expect(result.exports.gguf).toEqual(before.exports.gguf)
    // The parent's digest is in it: another file is another parent.
    expect(result.solutionDigest).not.toBe(before.solutionDigest)
    const question = ['--chat', '--prompt', ' owl cat', '-n', '8']
    const [a, b] = [
      await json('generate', 'runs/from-hf/child', ...question),
      await json('generate', 'runs/from-gguf/child', ...question),
    ]
    expect(b).toEqual(a)
  },
  patience,
)

test.skipIf(withoutLlama)(
  `stock llama.cpp reads and continues a conversation as the child's folder does${skipped}`,
  async () => {
    const asked = ['generate', 'runs/from-hf/child', '--chat', '--prompt', ' owl cat', '-n', '8', '--ignore-eos']
    const { prompt, tokens } = await json<{ prompt: number[]; tokens: number[] }>(...asked)
    const text = '<s><|user|> owl cat<|end|><|assistant|>'
    const found = askLlama(join(place.folder, 'runs/from-hf/child.gguf'), {
      texts: [text],
      sequences: [prompt],
      greedy: 8,
    })
    expect(found).toMatchObject({ tokens: [prompt], greedy: [tokens] })
  },
)

test(
  'the name of a run that wants no GGUF file any more has none',
  async () => {
    const spec = specOf('from-hf', './parent').replace('  format: gguf\n', '')
    const result = await search('from-hf', spec)
    expect(Object.keys(result.exports)).toEqual(['hf'])
    expect(existsSync(join(place.folder, 'runs/from-hf/child.gguf'))).toBe(false)
  },
  patience,
)
