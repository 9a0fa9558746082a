import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generate, openModel, Tokenizer, writeModel, type Model, type SamplingOptions } from '../../model/index.js'
import { evaluateFile, type Evaluation } from '../../puzzle/evaluate-file.js'
import { readTensors } from '../../tensor/index.js'
import { writeByteLevelTokenizer } from '../byte-level.js'
import { difference, flat, fullLogits, withVariant } from '../model/mixed.js'
import { blocks, someIds, writeTiny } from '../model/tiny.js'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'

/** How a child is exported in each format. */
const formats = ['hf', 'gguf', 'onnx'] as const
/** Every kind of model that commands read, and the model that it is. */
const kinds = [
  ['a parent', 'parent', 'parent'],
  ['a child', 'child', 'child'],
  ['a Hugging Face export', 'child-hf', 'child'],
  ['a GGUF export, by its folder', 'child-gguf', 'child'],
  ['a GGUF export, by its file', 'child-gguf/model.gguf', 'child'],
  ['an ONNX export', 'child-onnx', 'child'],
] as const

const text = 'Ça va? 日本 😀'
const rows = [
  [4, 5, 28, 7, 9, 11, 60, 61, 255, 3],
  [90, 6, 7, 8, 9, 10, 12, 12, 80, 4],
]

let place: Place
const models: Record<string, Model> = {}
beforeAll(async () => {
  place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-kinds-')))
  const parent = join(place.folder, 'parent')
  mkdirSync(parent)
  // More rows than tokens, as most models have.
  await writeTiny({ vocab_size: 270 }, 1, parent)
  writeByteLevelTokenizer(parent, ['ab'])
  let child = await openModel(parent, blocks)
  child = await withVariant(child, 0, 'attention', 'grouped-query', { kvHeads: 1 })
  child = await withVariant(child, 0, 'ffn', 'swiglu', { width: 16 })
  child = await withVariant(child, 1, 'attention', 'linear', {})
  child = await withVariant(child, 1, 'ffn', 'no-op', {})
  child = await withVariant(child, 2, 'attention', 'no-op', {})
  await writeModel(child, join(place.folder, 'child'), { dtype: 'float32' })
  writeByteLevelTokenizer(join(place.folder, 'child'), ['ab'])
  for (const format of formats)
    await prints('export', 'child', '--format', format, '-o', `child-${format}`, '--dtype', 'float32')
  for (const name of ['parent', 'child']) models[name] = await openModel(join(place.folder, name), blocks)
  writeFileSync(join(place.folder, 'rows.json'), JSON.stringify({ input_ids: rows }))
  writeFileSync(join(place.folder, 'texts.jsonl'), `${JSON.stringify({ text })}\n${JSON.stringify({ text: 'abc' })}\n`)
})
afterAll(() => place.close())

/** What a command prints that succeeds. */
async function prints(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(place, ...args)
  expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' })
  return stdout
}

const json = async (...args: readonly string[]) => JSON.parse(await prints(...args, '--json')) as object

describe.each(kinds)('%s', (_, folder, of) => {
  test.each<[string, SamplingOptions, string[]]>([
    ['most likely', {}, []],
    ['drawn', { temperature: 1, seed: 2 }, ['--temperature', '1', '--seed', '2']],
  ])('generates the model’s %s tokens, and their text', async (_, options, flags) => {
    const tokenizer = Tokenizer.open(models[of]!.folder)
    const prompt = tokenizer.encode(text)
    const tokens: number[] = []
    for await (const token of generate(models[of]!, prompt, { ...options, maxTokens: 12, ignoreEos: true }))
      tokens.push(token)
    expect(await json('generate', folder, '--prompt', text, '-n', '12', '--ignore-eos', ...flags)).toEqual({
      prompt,
      tokens,
      text: tokenizer.decode([...prompt, ...tokens]).slice(text.length),
    })
  })

  test('is evaluated as the model is', async () => {
    const parent = models.parent!
    const options = { packing: 'documents', parent, batch: 8, threads: 1 } as const
    const expected = await evaluateFile(models[of]!, { path: join(place.folder, 'texts.jsonl') }, options)
    const found = (await json('evaluate', folder, '--data', 'texts.jsonl', '--parent', 'parent')) as Evaluation
    expect(found).toMatchObject({ sequences: 2, tokens: expected.tokens })
    expect(found.perplexity / expected.perplexity).toBeCloseTo(1, 5)
    expect(found.comparison!.top1).toBe(expected.comparison!.top1)
    expect(found.comparison!.kl).toBeCloseTo(expected.comparison!.kl, 5)
  })

  test('has the logits of the model', async () => {
    await prints('logits', folder, '--tokens', 'rows.json', '-o', 'logits.safetensors')
    const { logits } = (await readTensors(join(place.folder, 'logits.safetensors'))).tensors
    expect(logits!.dims).toEqual([2, 10, 270])
    const expected = []
    for (const ids of rows) expected.push(...(await fullLogits(models[of]!, Int32Array.from(ids))))
    expect(difference(logits!.data as Float32Array, flat(expected))).toBeLessThan(1e-5)
  })
})

test('the child is another model than its parent', async () => {
  const rows = [models.parent!, models.child!].map(async (model) => flat(await fullLogits(model, someIds(9))))
  const [parent, child] = await Promise.all(rows)
  expect(difference(child!, parent!)).toBeGreaterThan(0.1)
})

test.each([
  ['of several lengths', '[[1, 2], [3]]', 'needs sequences of the same length'],
  ['with a token that the model does not know', '[[1, 270]]', 'needs {"input_ids": [[…], …]} with ids from 0 to 269'],
  ['that are none', '[]', 'needs {"input_ids": [[…], …]} with ids from 0 to 269'],
  [
    'longer than the model reads',
    JSON.stringify([new Array(257).fill(1)]),
    'has sequences of 257 tokens, but the model has 256 positions',
  ],
])('sequences %s are refused', async (_, ids, message) => {
  writeFileSync(join(place.folder, 'bad.json'), `{"input_ids": ${ids}}`)
  const { code, stdout, stderr } = await runHere(
    place,
    'logits',
    'parent',
    '--tokens',
    'bad.json',
    '-o',
    'bad.safetensors',
  )
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^bad\.json: .*\nRemedy: .*\n$/)
  expect(stderr).toContain(message)
})

test.each([
  ['nowhere/a.safetensors', 'nowhere/a.safetensors cannot be written: there is no folder nowhere\n'],
  ['child', 'child is a folder\n'],
])('logits cannot be written to %s', async (output, message) => {
  const { code, stdout, stderr } = await runHere(place, 'logits', 'parent', '--tokens', 'rows.json', '-o', output)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toBe(`${message}Remedy: Name a file in an existing folder: -o logits.safetensors.\n`)
})
