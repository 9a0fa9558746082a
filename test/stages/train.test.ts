import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, SafetensorsFile } from '../../model/index.js'
import { onlyTask } from '../../lineage/keys.js'
import type { JsonObject, Outputs } from '../../api/index.js'
import type { CurvePoint } from '../../puzzle/train-with-checkpoints.js'
import { blocks } from '../model/tiny.js'
import { forward, surprise } from './reference.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { words, writeTokenizer } from './world.js'

const folder = temporaryFolder()
mkdirSync(join(folder, 'tokenizer'))
writeTokenizer(join(folder, 'tokenizer'))
const write = (name: string, documents: readonly unknown[]) =>
  writeFileSync(join(folder, name), documents.map((line) => `${JSON.stringify(line)}\n`).join(''))
/** Every word is followed by the next one. */
const counting = (from: number, length: number) =>
  Array.from({ length }, (_, i) => words[4 + ((from + i) % 8)]).join(' ')
write(
  'corpus.jsonl',
  Array.from({ length: 12 }, (_, i) => ({ text: counting(i, 5 + (i % 4)) })),
)
/** "w0 w1 =w9= w2": the answers are single words at the places named. */
write('questions.jsonl', [
  { text: 'w0 w1 w9 w2', answers: [[6, 8]] },
  {
    text: 'w3 w4 w5 w10 w6 w7 w11 w12 w8',
    answers: [
      [9, 12],
      [19, 26],
    ],
  },
  { text: 'w7 w0 w7' },
])

const config: JsonObject = {
  vocab_size: 50,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 24,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
}
const course = { config, sequenceLength: 8, batch: 4, optimiser: { learningRate: 0.02, weightDecay: 0.01 } }
const open = (train: JsonObject = {}, refine: JsonObject = {}, tokenizer = './tokenizer') =>
  Search.open(folder, {
    apiVersion: 'puzzleflow/v1',
    name: 'parent',
    seed: 3,
    tokenizer,
    corpus: './corpus.jsonl',
    corpus2: './questions.jsonl',
    pipeline: {
      inputs: {
        tokenizer: { type: 'string', format: 'folder' },
        corpus: { type: 'string', format: 'file' },
        corpus2: { type: 'string', format: 'file' },
      },
      stages: {
        train: { uses: 'train', with: { ...course, steps: 64, ...train } },
        refine: {
          uses: 'train',
          needs: ['train'],
          with: { ...course, corpus: 'corpus2', batch: 2, steps: 1, contextWeight: 0.25, ...refine },
        },
      },
    },
  })
const search = await open()
const curveOf = async ({ files }: Outputs) => search.json<CurvePoint[]>(files.curve)

/** The checkpoint that a stage left. */
async function modelOf({ files }: Outputs) {
  const own = join(temporaryFolder(), 'model')
  mkdirSync(own)
  for (const [name, ref] of Object.entries(files)) copyFileSync(await search.store.path(ref), join(own, name))
  return { folder: own, model: await openModel(own, blocks) }
}

test('a model learns a trivial language', async () => {
  const outputs = await search.outputs('train')
  const curve = await curveOf(outputs)
  expect(curve.map(({ step }) => step)).toEqual([16, 32, 48, 64])
  // Only the first word after `<s>` cannot be known.
  expect(curve.at(-1)!.loss).toBeLessThan(0.5 * curve[0]!.loss)
  const { model } = await modelOf(outputs)
  const { logits } = await forward(model, [1, 4, 5, 6, 7])
  expect(logits.slice(1).map((row) => row.indexOf(Math.max(...row)))).toEqual([5, 6, 7, 8])
  expect(outputs.values).toMatchObject({
    steps: 64,
    parameters: 50 * 16 + 16 + 2 * (16 + 16 * (16 + 8 + 8 + 16) + 16 + 3 * 16 * 24),
  })
})

test('it is a checkpoint in float16, with its tokenizer', async () => {
  const { folder: own, model } = await modelOf(await search.outputs('train'))
  const { tensors } = await SafetensorsFile.open(join(own, 'model.safetensors'))
  expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F16']))
  expect(model.config).toMatchObject({ hidden: 16, layers: 2, kvHeads: 1, tied: true })
})

test('a tokenizer without tokenizer_config.json is enough', async () => {
  mkdirSync(join(folder, 'bare'))
  copyFileSync(join(folder, 'tokenizer/tokenizer.json'), join(folder, 'bare/tokenizer.json'))
  const { files } = await (await open({ steps: 1 }, {}, './bare')).outputs('train')
  expect(Object.keys(files).sort()).toEqual(['config.json', 'curve', 'model.safetensors', 'tokenizer.json'])
})

test('a second course goes on from the first one’s weights, and answers weigh more than what is around them', async () => {
  const { model } = await modelOf(await search.outputs('train'))
  const [first] = (await curveOf(await search.outputs('refine'))) as [CurvePoint]
  // The first two documents in the file's order, cut to 8 tokens and what follows each; 0.25 for all but answers.
  const documents: [text: string, answers: string[]][] = [
    ['w0 w1 w9 w2', ['w9']],
    ['w3 w4 w5 w10 w6 w7 w11 w12', ['w10', 'w11', 'w12']],
  ]
  let [sum, total] = [0, 0]
  for (const [text, answers] of documents) {
    const ids = [1, ...text.split(' ').map((word) => words.indexOf(word))]
    const { logits } = await forward(model, ids.slice(0, -1))
    for (const [t, row] of logits.entries()) {
      const weight = answers.includes(words[ids[t + 1]!]!) ? 1 : 0.25
      sum += weight * surprise(row, ids[t + 1]!)
      total += weight
    }
  }
  expect(first.loss / (sum / total)).toBeCloseTo(1, 5)
})

test('a training that is aborted and goes on has the same bits as an undisturbed one', async () => {
  const undisturbed = await search.outputs('train')
  const other = await open()
  const abort = new AbortController()
  const progress = (fraction: number) => fraction > 0.4 && abort.abort(new Error('The task was cancelled'))
  const task = onlyTask('train')
  await expect(other.run('train', task, { signal: abort.signal, progress })).rejects.toThrow('The task was cancelled')
  const fractions: number[] = []
  expect(await other.run('train', task, { progress: (fraction) => fractions.push(fraction) })).toEqual(undisturbed)
  expect(fractions).toEqual([0.75, 1])
})

test('another seed gives another model', async () => {
  const { plan } = search
  expect(plan.seed).toBe(3)
  const files = async (seed: number) => {
    const spec = await open({ steps: 1 })
    Object.assign(spec.plan, { seed })
    return (await spec.outputs('train')).files['model.safetensors']!.digest
  }
  expect(await files(3)).toBe(await files(3))
  expect(await files(4)).not.toBe(await files(3))
})

test.each([
  ['is empty', '\n', 'has no documents', undefined],
  [
    'has a line that is not JSON',
    '{"text": "w0"}\n{',
    'is not JSON: the end where a key in double quotes should be',
    '2:2',
  ],
  ['has a line without text', '{"txt": "w0"}', 'has no "text"', 1],
  [
    'has answers that are no ranges',
    '{"text": "w0 w1", "answers": [3]}',
    'has answers that are not ranges of its text',
    1,
  ],
  [
    'has an answer beyond the text',
    '{"text": "w0 w1", "answers": [[3, 6]]}',
    'has answers that are not ranges of its text',
    1,
  ],
  [
    'has answers out of order',
    '{"text": "w0 w1", "answers": [[3, 5], [0, 2]]}',
    'has answers that are not ranges of its text',
    1,
  ],
])('a corpus that %s is refused with file, line and remedy', async (_, text, message, line) => {
  const own = join(folder, 'corpus.jsonl')
  const before = readFileSync(own)
  writeFileSync(own, text)
  const error: unknown = await (await open()).outputs('train').catch((e: unknown) => e)
  writeFileSync(own, before)
  expect(error).toMatchObject({
    kind: 'InvalidInput',
    file: own,
    message: line === undefined ? `${own} ${message}` : `${own}:${line}: ${message}`,
    remedy: 'Each line is {"text": "…"}, with "answers": [[start, end], …] in characters, where answers count more.',
  })
})

test('sequences longer than the model has positions are refused', async () => {
  await expect((await open({ sequenceLength: 65 })).outputs('train')).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: "sequenceLength 65 is more than the model's 64 positions",
    remedy: 'Give 64 or less, or raise max_position_embeddings.',
  })
})

test('a course that goes on with a model of another shape is refused', async () => {
  const other = await open({ steps: 1 }, { config: { ...config, intermediate_size: 32 } })
  await expect(other.outputs('refine')).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: expect.stringMatching(/does not fit/) as string,
  })
})
