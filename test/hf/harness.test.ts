import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openModel, Tokenizer, writeGguf, writeModel, type Model } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { evaluateFile, evaluateTasks, type Evaluation } from '../../puzzle/evaluate-file.js'
import type { Quality } from '../../puzzle/evaluation.js'
import { writeByteLevelTokenizer } from '../byte-level.js'
import { greedy } from '../model/greedy.js'
import { fullLogits, withVariant } from '../model/mixed.js'
import { blocks, writeTiny } from '../model/tiny.js'
import { openEvery } from '../onnx/models.js'
import { documents, writeTokenizer } from '../stages/world.js'
import { pythonWithTransformers, runPython } from './transformers.js'

const found = pythonWithTransformers()
const skipped = 'absent' in found ? ` (skipped: ${found.absent})` : ''

const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-harness-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const folder = (name: string): string => {
  mkdirSync(join(scratch, name))
  return join(scratch, name)
}

/** Writes data in lines, and the harness's task over them. */
function writeTask(name: string, rows: readonly object[], fields: JsonObject): void {
  const file = join(scratch, 'tasks', `${name}.jsonl`)
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const task = { task: name, dataset_path: 'json', dataset_kwargs: { data_files: { test: file } }, test_split: 'test' }
  // JSON is YAML.
  writeFileSync(join(scratch, 'tasks', `${name}.yaml`), JSON.stringify({ ...task, ...fields }))
}

/** Log-likelihoods of tokens behind others, summed. */
async function likelihood(model: Model, prompt: readonly number[], answer: readonly number[]): Promise<number> {
  const rows = await fullLogits(model, Int32Array.from([...prompt, ...answer]))
  return answer.reduce((sum, id, i) => {
    const row = rows[prompt.length - 1 + i]!
    const largest = Math.max(...row)
    return sum + row[id]! - largest - Math.log(row.reduce((all, x) => all + Math.exp(x - largest), 0))
  }, 0)
}

interface Item {
  readonly prompt: string
  readonly answer: string
  readonly choices: readonly string[]
  readonly best: number
}

/** Questions of which every other one's answer is what the model says, and choices of which it finds one most likely. */
async function itemsOf(model: Model, texts: readonly string[]): Promise<Item[]> {
  const tokenizer = Tokenizer.open(model.folder)
  const items: Item[] = []
  for (const [i, text] of texts.entries()) {
    const prompt = tokenizer.encode(text)
    const said = tokenizer.decode((await greedy(model, [prompt], 2))[0]!, { special: true })
    const choices = ['w1 w2', 'w3', 'w40 w41', said]
    const likely = await Promise.all(
      choices.map((answer) => likelihood(model, prompt, tokenizer.encode(answer, { special: false }))),
    )
    const best = likely.indexOf(Math.max(...likely))
    items.push({ prompt: text, answer: i % 2 === 0 ? said : 'w45', choices, best })
  }
  return items
}

type Results = Readonly<Record<string, Readonly<Record<string, number>>>>
let results: readonly Results[] = []
let own: { readonly words: Evaluation; readonly bytes: Evaluation; readonly chosen: number }
/** What our own reading of the harness's files comes to. */
let metrics: NonNullable<Quality['metrics']> = {}

const textTask: JsonObject = {
  output_type: 'loglikelihood_rolling',
  doc_to_text: '',
  doc_to_target: '{{text}}',
  metric_list: [{ metric: 'word_perplexity' }, { metric: 'byte_perplexity' }],
}
const texts = documents(12, 5)
const documentsOf = texts
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { text: string })
const words = documentsOf.reduce((n, { text }) => n + text.split(/\s+/).length, 0)

if (!('absent' in found)) {
  folder('tasks')
  writeFileSync(join(scratch, 'texts.jsonl'), texts)
  writeTask('texts', documentsOf, textTask)

  // A child in which every block type is, so that it needs code of ours, with one token a word.
  const child = join(scratch, 'child')
  await writeModel(await openEvery(), child, { dtype: 'float32' })
  writeTokenizer(child)
  // The harness generates only with a token that ends texts.
  const tokens = join(child, 'tokenizer_config.json')
  const config = JSON.parse(readFileSync(tokens, 'utf8')) as JsonObject
  writeFileSync(tokens, JSON.stringify({ ...config, eos_token: '</s>', pad_token: '<pad>' }))
  const model = await openModel(child, blocks)
  const items = await itemsOf(
    model,
    documentsOf.slice(0, 10).map(({ text }) => text),
  )
  writeTask('answers', items, {
    output_type: 'loglikelihood',
    doc_to_text: '{{prompt}}',
    // The harness puts a space before choices, and none here.
    doc_to_target: ' {{answer}}',
    metric_list: [{ metric: 'acc' }],
  })
  // In a third of the questions the first choice is said to be right, whatever the model finds.
  const gold = items.map(({ best }, i) => (i % 3 === 0 ? 0 : best))
  writeTask(
    'choices',
    items.map((item, i) => ({ ...item, gold: gold[i] })),
    {
      output_type: 'multiple_choice',
      doc_to_text: '{{prompt}}',
      doc_to_choice: '{{choices}}',
      doc_to_target: '{{gold}}',
      metric_list: [{ metric: 'acc' }],
    },
  )
  // What people write: a file that others include, examples, templates, choices of several tokens and lengths.
  writeFileSync(
    join(scratch, 'tasks', 'shared.yaml.txt'),
    JSON.stringify({ output_type: 'multiple_choice', doc_to_text: '{{prompt}}', num_fewshot: 2 }),
  )
  writeTask(
    'shots',
    items.map((item, i) => ({ ...item, gold: gold[i], label: 'abcd'[gold[i]!] })),
    {
      include: './shared.yaml.txt',
      description: 'w7 w8 ',
      doc_to_choice: '{{[choices[0], choices[1], choices[2] ~ " w9 w10"]}}',
      doc_to_target: "{{['a','b','c'].index(label) if label in 'abc' else 2}}",
      target_delimiter: ' ',
      fewshot_delimiter: ' w11 ',
      fewshot_split: 'test',
      fewshot_config: { sampler: 'first_n' },
      metric_list: [{ metric: 'acc' }, { metric: 'acc_norm' }, { metric: 'acc_bytes' }],
    },
  )
  writeTask('written', items, {
    output_type: 'generate_until',
    doc_to_text: '{{prompt}}',
    doc_to_target: '{{answer}}',
    generation_kwargs: { until: ['w44'], max_gen_toks: 2, do_sample: false },
    filter_list: [
      { name: 'whole', filter: [{ function: 'take_first' }] },
      {
        name: 'last',
        filter: [{ function: 'regex', regex_pattern: '(w[0-9]+)', group_select: -1 }, { function: 'take_first' }],
      },
    ],
    metric_list: [{ metric: 'exact_match', ignore_case: true }],
  })
  const chosen = items.filter(({ best }, i) => best === gold[i]).length / items.length
  const asked = folder('asked')
  writeFileSync(join(asked, 'tasks.json'), '{"answers": {}}')
  writeFileSync(join(asked, 'answers.jsonl'), items.map((item) => `${JSON.stringify(item)}\n`).join(''))

  // A child of a parent that is a GGUF file, with a byte-level tokenizer.
  const parent = folder('parent')
  const vocabulary = writeByteLevelTokenizer(parent, ['w1', 'w2', 'w30'])
  await writeTiny({ vocab_size: vocabulary }, 3, parent)
  await writeGguf(await openModel(parent, blocks), join(scratch, 'parent.gguf'))
  const ofGguf = await withVariant(await openModel(join(scratch, 'parent.gguf'), blocks), 1, 'ffn', 'swiglu', {
    width: 24,
  })
  await writeModel(ofGguf, join(scratch, 'of-gguf'), { dtype: 'float32' })

  const options = { packing: 'documents', batch: 4, threads: 1, sequenceLength: 256 } as const
  const data = { path: join(scratch, 'texts.jsonl') }
  own = {
    words: await evaluateFile(model, data, { ...options, tasks: asked }),
    bytes: await evaluateFile(await openModel(join(scratch, 'of-gguf'), blocks), data, options),
    chosen,
  }
  const measured = ['answers', 'choices', 'shots', 'written', 'texts']
  const entries = measured.map((name) => ({ harness: join(scratch, 'tasks', `${name}.yaml`) }))
  metrics = (await evaluateTasks(model, entries, { batch: 4, threads: 1 })).metrics!
  const runs = [
    { folder: child, tasks: measured.slice(0, -1), bos: true },
    // The harness puts a first token before these by itself.
    { folder: child, tasks: ['texts'], bos: false },
    { folder: join(scratch, 'of-gguf'), tasks: ['texts'], bos: false },
  ]
  const job = { tasks: join(scratch, 'tasks'), cache: join(scratch, 'cache'), runs }
  const text = runPython(found, 'harness.py', JSON.stringify(job))
  results = JSON.parse(text.trim().split('\n').at(-1)!) as Results[]
}

const of = (run: number, task: string, metric: string) => results[run]![task]![`${metric},none`]!
/** Perplexity of a word, of the loss of a token. */
const ofWords = ({ loss, tokens }: Evaluation) => Math.exp((loss * tokens) / words)

test.skipIf('absent' in found)(`lm-evaluation-harness finds as many answers right as evaluate does${skipped}`, () => {
  expect(of(0, 'answers', 'acc')).toBe(own.words.accuracy)
  expect(own.words.accuracy).toBe(0.5)
})

test.skipIf('absent' in found)(`lm-evaluation-harness chooses what our logits find most likely${skipped}`, () => {
  expect(of(0, 'choices', 'acc')).toBeCloseTo(own.chosen, 9)
  expect(own.chosen).toBeLessThan(1)
})

test.skipIf('absent' in found).each([
  ['a child with every block type', 1, 'words'],
  ['a child of a GGUF file', 2, 'bytes'],
] as const)(`lm-evaluation-harness measures the perplexity of %s as evaluate does${skipped}`, (_, run, kind) => {
  expect(of(run, 'texts', 'word_perplexity') / ofWords(own[kind])).toBeCloseTo(1, 4)
})

test.skipIf('absent' in found)(
  `every metric of the harness's own files is the harness's, with its standard error${skipped}`,
  () => {
    let compared = 0
    for (const [run, tasks] of [
      [0, ['answers', 'choices', 'shots', 'written']],
      [1, ['texts']],
    ] as const)
      for (const task of tasks)
        for (const [key, value] of Object.entries(results[run]![task]!)) {
          const [name, filter] = key.split(',') as [string, string]
          if (filter === undefined || name.endsWith('_stderr')) continue
          const ours = metrics[task]![filter === 'none' ? name : key]!
          expect(ours.value / value || ours.value - value + 1, `${task} ${key}`).toBeCloseTo(
            1,
            name.includes('p') ? 4 : 12,
          )
          const stderr = results[run]![task]![`${name}_stderr,${filter}`]
          if (/^(acc|exact)/.test(name)) expect(ours.stderr, `${task} ${key}`).toBeCloseTo(stderr!, 12)
          compared++
        }
    expect(compared).toBe(9)
  },
)
