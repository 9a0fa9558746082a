import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Tokenizer } from '../../../model/index.js'
import { openHarness, readHarness } from '../../../data/harness/read.js'
import type { ReadTask } from '../../../data/task-splits.js'
import { writeTokenizer } from '../../stages/world.js'

const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-harness-tasks-'))
afterAll(() => rmSync(scratch, { recursive: true }))
writeTokenizer(scratch)
const reader = { tokenizer: Tokenizer.open(scratch), positions: 12 }

let count = 0
/** Writes files of a task into a folder of their own; the last one is the task's. */
function write(files: Readonly<Record<string, string>>): string {
  const folder = join(scratch, String(count++))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return join(folder, Object.keys(files).at(-1)!)
}
const lines = (...docs: readonly object[]) => docs.map((doc) => `${JSON.stringify(doc)}\n`).join('')
const read = async (files: Readonly<Record<string, string>>): Promise<ReadTask> =>
  readHarness(await openHarness(write(files)), reader, 100)

const data = lines(
  { q: 'w0 w1', c: ['w2', 'w3 w4'], a: 1 },
  { q: 'w5', c: ['w6', 'w7'], a: 0 },
  { q: 'w8', c: ['w9', 'w10'], a: 1 },
)
const head = `task: own
dataset_path: json
dataset_kwargs: {data_files: {test: a.jsonl}}
test_split: test
`
const choice = `${head}output_type: multiple_choice
doc_to_text: q
doc_to_choice: c
doc_to_target: a
`
/** Ids of words behind the token that begins texts. */
const ids = (...words: readonly number[]) => [1, ...words.map((word) => word + 4)]
const after = (...words: readonly number[]) => ids(...words).slice(1)
const first = (task: ReadTask) => task.items[0]!.item

test.each<readonly [what: string, yaml: string, item: object]>([
  [
    'fields, choices behind a space, and a label that is an index',
    choice,
    {
      prompt: ids(0, 1),
      choices: [
        { answer: after(2), characters: 2, bytes: 2 },
        { answer: after(3, 4), characters: 5, bytes: 5 },
      ],
      gold: [1],
    },
  ],
  [
    'templates over fields, a list that a template writes, and a label that is a text',
    `${head}output_type: multiple_choice
doc_to_text: "{{q}} w{{a + 10}}"
doc_to_choice: "{{[c[1], c[0]]}}"
doc_to_target: "{{c[0]}}"
`,
    {
      prompt: ids(0, 1, 11),
      choices: [
        { answer: after(3, 4), characters: 5, bytes: 5 },
        { answer: after(2), characters: 2, bytes: 2 },
      ],
      gold: [1],
    },
  ],
  [
    'choices of the YAML and several right ones',
    `${head}output_type: multiple_choice
doc_to_text: q
doc_to_choice: [w1, w2, w3]
doc_to_target: "{{[0, 2]}}"
`,
    {
      prompt: ids(0, 1),
      choices: [1, 2, 3].map((word) => ({ answer: after(word), characters: 2, bytes: 2 })),
      gold: [0, 2],
    },
  ],
  [
    'a description and examples, without the question itself',
    `${choice}description: "w40 "
num_fewshot: 1
fewshot_split: test
fewshot_config: {sampler: first_n}
fewshot_delimiter: " w41 "
`,
    {
      prompt: ids(40, 5, 6, 41, 0, 1),
      choices: [
        { answer: after(2), characters: 2, bytes: 2 },
        { answer: after(3, 4), characters: 5, bytes: 5 },
      ],
      gold: [1],
    },
  ],
  [
    'examples that the YAML has, worded otherwise',
    `${choice}num_fewshot: 1
fewshot_config:
  sampler: first_n
  samples: [{x: w30, y: w31}]
  doc_to_text: x
  doc_to_target: y
  target_delimiter: " w32 "
`,
    {
      prompt: ids(30, 32, 31, 0, 1),
      choices: [
        { answer: after(2), characters: 2, bytes: 2 },
        { answer: after(3, 4), characters: 5, bytes: 5 },
      ],
      gold: [1],
    },
  ],
  [
    'an answer behind its prompt',
    `${head}output_type: loglikelihood
doc_to_text: q
doc_to_target: " {{c[1]}}"
`,
    { prompt: ids(0, 1), answer: after(3, 4) },
  ],
  [
    'a prompt that is too long loses its beginning',
    `${head}output_type: loglikelihood
doc_to_text: "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13"
doc_to_target: " w14 w15"
`,
    { prompt: after(3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), answer: after(14, 15) },
  ],
  [
    'a text in windows, each behind the token before it, the last one filled up',
    `${head}output_type: loglikelihood_rolling
doc_to_target: "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13"
`,
    {
      windows: [
        { prompt: ids(), answer: after(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) },
        { prompt: after(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), answer: after(12, 13) },
      ],
      words: 14,
      bytes: 45,
    },
  ],
  [
    'a text to be generated, and the right ones',
    `${head}doc_to_text: q
doc_to_target: c
generation_kwargs: {max_gen_toks: 4}
`,
    { prompt: ids(0, 1), gold: ['w2', 'w3 w4'] },
  ],
])('%s', async (_, yaml, item) => {
  expect(first(await read({ 'a.jsonl': data, 'own.yaml': yaml }))).toEqual(item)
})

test('keys of included files stand below the own ones, and paths start where they are written', async () => {
  const task = await read({
    'base/a.jsonl': data,
    'base/base.yaml': choice,
    'own.yaml': 'include: base/base.yaml\ntask: mine\ndoc_to_text: "w20"\n',
  })
  expect({ name: task.name, prompt: (first(task) as { prompt: readonly number[] }).prompt }).toEqual({
    name: 'mine',
    prompt: ids(20),
  })
})

test('what is measured and how texts are made and filtered is what the YAML says, or what the harness does', async () => {
  expect((await read({ 'a.jsonl': data, 'own.yaml': choice })).form).toEqual({
    kind: 'choices',
    chance: 0,
    metrics: [{ name: 'acc' }, { name: 'acc_norm' }],
  })
  const yaml = `${head}doc_to_text: q
doc_to_target: "{{a}}"
generation_kwargs: {until: ["w3", "\\n"], max_gen_toks: 5, do_sample: false, temperature: 0.0}
filter_list:
  - name: last
    filter: [{function: regex, regex_pattern: 'w(\\d+)', group_select: -1}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, regexes_to_ignore: [","]}
`
  expect((await read({ 'a.jsonl': data, 'own.yaml': yaml })).form).toEqual({
    kind: 'generations',
    chance: 0,
    metrics: [{ name: 'exact_match', ignoreCase: true, ignore: [','] }],
    until: ['w3', '\n'],
    most: 5,
    filters: [
      {
        name: 'last',
        steps: [
          { function: 'regex', pattern: 'w(\\d+)', group: -1, fallback: '[invalid]' },
          { function: 'take_first' },
        ],
      },
    ],
  })
})

test('documents that examples show are no items of the test', async () => {
  const yaml = `${choice.replace('{test: a.jsonl}', '{test: a.jsonl, validation: b.jsonl}')}validation_split: validation
num_fewshot: 1
fewshot_split: test
fewshot_config: {sampler: first_n}
`
  const task = await read({ 'a.jsonl': data, 'b.jsonl': data, 'own.yaml': yaml })
  expect(task.items.length).toBe(3)
  expect(task.test!.map(({ shown }) => shown)).toEqual([true, true, false])
})

/** Messages without the folder that files are written to. */
async function refusal(files: Readonly<Record<string, string>>): Promise<string> {
  const file = write(files)
  try {
    await readHarness(await openHarness(file), reader, 100)
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string }
    return `${message} | ${remedy ?? ''}`.replaceAll(`${dirname(file)}/`, '').replaceAll(dirname(file), 'HERE')
  }
  return 'accepted'
}

test.each<readonly [what: string, yaml: string, message: string]>([
  [
    'Python code',
    `${choice}process_docs: !function utils.process_docs\n`,
    'own.yaml:9:15: process_docs is !function utils.process_docs, Python code, which is not run | Write what the function makes as fields of the data file, once and with Python, and use Jinja templates over them.',
  ],
  [
    'a data set of the Hub',
    'task: own\ndataset_path: allenai/ai2_arc\ndataset_name: ARC-Easy\ntest_split: test\n',
    `own.yaml:2:15: the data set "allenai/ai2_arc" is not local, and nothing is fetched | Write each split as a file, once: \`python3 -c "import datasets; datasets.load_dataset('allenai/ai2_arc', 'ARC-Easy')['test'].to_parquet('test.parquet')"\`; then write \`dataset_path: parquet\` and \`dataset_kwargs: {data_files: {test: test.parquet}}\`.`,
  ],
  [
    'a file that is not there',
    head.replace('a.jsonl', 'b.jsonl'),
    'own.yaml:3:37: there is no file "b.jsonl" | Paths start from the folder of this file, HERE.',
  ],
  [
    'an address',
    head.replace('a.jsonl', 'https://example.org/a.jsonl'),
    'own.yaml:3:37: "https://example.org/a.jsonl" is not a local file | Fetch it, and name the file.',
  ],
  [
    'a split that is not there',
    `${choice}validation_split: dev\n`,
    'own.yaml:9:19: data_files has no split "dev" | It has test.',
  ],
  [
    'no split to measure on',
    choice.replace('test_split: test\n', ''),
    'own.yaml:1:1: the task names neither test_split nor validation_split | Write `test_split: test`.',
  ],
  [
    'an unknown key',
    `${choice}doc_to_txt: q\n`,
    'own.yaml:9:1: a task has no key "doc_to_txt" | Remove it, or correct its name.',
  ],
  [
    'a key that is not supported',
    `${choice}use_prompt: "promptsource:*"\n`,
    'own.yaml:9:1: use_prompt is not supported | Write the prompt as doc_to_text.',
  ],
  [
    'a group of tasks',
    'group: all\ntask: [one, two]\n',
    'own.yaml:1:1: group is not supported | Name the YAML file of each task in the spec instead.',
  ],
  [
    'another output_type',
    `${head}output_type: rank\ndoc_to_text: q\ndoc_to_target: a\n`,
    'own.yaml:5:14: "rank" is not an output_type | Use multiple_choice, generate_until, loglikelihood, loglikelihood_rolling.',
  ],
  [
    'a metric that is not computed',
    `${choice}metric_list: [{metric: f1}]\n`,
    'own.yaml:9:24: the metric "f1" is not computed for output_type multiple_choice | Supported: acc, acc_norm, acc_bytes, exact_match. Remove the others from metric_list.',
  ],
  [
    'another aggregation',
    `${choice}metric_list: [{metric: acc, aggregation: median}]\n`,
    'own.yaml:9:42: acc is aggregated by mean, not by "median" | Write `aggregation: mean`, or remove the key.',
  ],
  [
    'examples at random',
    `${choice}num_fewshot: 2\n`,
    'own.yaml:9:14: the harness draws examples at random; here they are not | Write `fewshot_config: {sampler: first_n}`: the first documents of the split.',
  ],
  [
    'more examples than there are',
    `${choice}num_fewshot: 5\nfewshot_config: {sampler: first_n}\n`,
    'a.jsonl:1: num_fewshot is 5, but there are only 2 examples | Lower num_fewshot, or give more documents.',
  ],
  [
    'sampling',
    `${head}doc_to_text: q\ndoc_to_target: q\ngeneration_kwargs: {do_sample: true}\n`,
    'own.yaml:7:32: sampling is not supported | Write `do_sample: false`: only greedy generation gives the same figures every time.',
  ],
  [
    'a filter that is not applied',
    `${head}doc_to_text: q\ndoc_to_target: q\nfilter_list: [{name: x, filter: [{function: majority_vote}]}]\n`,
    'own.yaml:7:45: the filter "majority_vote" is not applied here | Applied are regex, take_first, remove_whitespace, lowercase, uppercase.',
  ],
  [
    'a regular expression that is none',
    `${head}doc_to_text: q\ndoc_to_target: q\nfilter_list: [{name: x, filter: [{function: regex, regex_pattern: '(a'}]}]\n`,
    'own.yaml:7:67: filter_list.0.filter.0.regex_pattern: the regular expression "(a" is not supported: /(a/g: Unterminated group | Write it without this.',
  ],
  [
    'a template that is none',
    choice.replace('doc_to_text: q', 'doc_to_text: "{{q"'),
    "own.yaml:6:14: doc_to_text: the template cannot be read: unexpected end of template, expected 'end of print statement' | Write a Jinja template over the fields of the documents.",
  ],
  [
    'a variable that the documents do not have',
    choice.replace('doc_to_text: q', 'doc_to_text: "{{question}}"'),
    "a.jsonl:1: own.yaml:6:14: doc_to_text: the template cannot be rendered: UndefinedError: 'question' is undefined | Write a Jinja template over the fields of the documents.",
  ],
  [
    'a label beyond the choices',
    choice.replace('doc_to_target: a', 'doc_to_target: "7"'),
    'a.jsonl:1: doc_to_target gives 7, not the index of one of 2 choices (from 0) | Correct or leave out the document: it has no right choice.',
  ],
  [
    'choices that are no list',
    choice.replace('doc_to_choice: c', 'doc_to_choice: "{{q}}"'),
    'a.jsonl:1: doc_to_choice must write a Python list of texts, and is not a Python literal at character 1: "w0 w1" | Write one: "{{[FIELD, FIELD]}}".',
  ],
  [
    'more tokens to generate than the model has positions',
    `${head}doc_to_text: q\ndoc_to_target: q\n`,
    'a.jsonl:1: 256 tokens are to be generated, but the model has only 12 positions | Write a smaller max_gen_toks in generation_kwargs.',
  ],
  [
    'a file that includes itself',
    'include: own.yaml\n',
    'own.yaml:1:10: "own.yaml" includes itself | Remove this line.',
  ],
  [
    'an included file that is not there',
    'include: other.yaml\n',
    'own.yaml:1:10: there is no file "other.yaml" | Paths start from the folder of this file, HERE.',
  ],
])('%s is refused with its line', async (_, yaml, message) => {
  expect(await refusal({ 'a.jsonl': data, 'own.yaml': yaml })).toBe(message)
})

test('nothing is before an empty prompt but the token that begins texts, whether the tokenizer adds it or names it', async () => {
  const bare = join(scratch, 'bare')
  mkdirSync(bare)
  writeTokenizer(bare)
  const file = join(bare, 'tokenizer.json')
  const json = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...json, post_processor: null }))
  const config = join(bare, 'tokenizer_config.json')
  const yaml = choice
    .replace('doc_to_text: q', 'doc_to_text: ""')
    .replace('doc_to_choice: c', 'doc_to_choice: [w2, w3]')
  const task = await openHarness(write({ 'a.jsonl': data, 'own.yaml': yaml }))
  const promptOf = async (own: Tokenizer) =>
    (first(await readHarness(task, { ...reader, tokenizer: own }, 9)) as { prompt: readonly number[] }).prompt
  expect(await promptOf(reader.tokenizer)).toEqual([1])
  expect(await promptOf(Tokenizer.open(bare))).toEqual([1])
  writeFileSync(config, '{"eos_token": {"content": "</s>"}}')
  expect(await promptOf(Tokenizer.open(bare))).toEqual([2])
  writeFileSync(config, '{}')
  await expect(promptOf(Tokenizer.open(bare))).rejects.toThrow(
    /a.jsonl:1: the prompt is empty, and the tokenizer names no token that begins texts$/,
  )
})
