import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import type { TaskItems } from '../../data/task.js'
import { readSequences } from '../../data/sequences.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld, words } from './world.js'

const world = await tinyWorld()

/** Token sequences without padding that `prepare` makes of a file of training documents, in their order. */
async function sequences(name: string, text: string, changes: JsonObject = {}): Promise<number[][]> {
  const { search } = await prepared(name, text, changes)
  const { files } = await search.outputs('prepare')
  const { count, length, ids, mask } = await readSequences(search.environment([]), files.train!)
  return Array.from({ length: count }, (_, row) => {
    const own = mask.subarray(row * length, (row + 1) * length)
    const tokens = own.indexOf(0) === -1 ? length : own.indexOf(0)
    expect(Array.from(own)).toEqual(Array.from({ length }, (_, t) => (t < tokens ? 1 : 0)))
    const rest = ids.subarray(row * length + tokens, (row + 1) * length)
    expect(Array.from(rest)).toEqual(Array.from(rest, () => 0))
    return Array.from(ids.subarray(row * length, row * length + tokens))
  })
}

async function prepared(name: string, text: string, changes: JsonObject = {}) {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  const file = join(folder, 'data', name)
  writeFileSync(file, text)
  const data = { train: { path: `./data/${name}` }, validate: { path: './data/validate.jsonl' }, sequenceLength: 4 }
  return { file, folder, search: await Search.open(folder, tinySpec({ data, ...changes })) }
}

/** The failure of a stage. */
const failure = (search: Search, stage = 'prepare') =>
  search.outputs(stage).then(
    () => undefined,
    (error: unknown) => error,
  )
const sorted = (rows: number[][]) => rows.map((row) => row.join(' ')).sort()

test('documents become sequences of one length: longer ones are cut, shorter ones padded, one token alone left out', async () => {
  const text = ['{"text": "w0 w1"}', '', '{"text": "w2 w3 w4 w5 w6 w7"}', '{"text": "w8 w9 w10 w11"}'].join('\n')
  expect(sorted(await sequences('a.jsonl', text))).toEqual(['1 12 13 14', '1 4 5', '1 6 7 8', '1 9 10 11'])
})

test('documents may be given as token ids, which are taken as they are', async () => {
  expect(sorted(await sequences('a.jsonl', '{"input_ids": [7, 49, 0, 2, 9, 9]}\n{"text": "w0 w1"}\n'))).toEqual([
    '1 4 5',
    '7 49 0 2',
    '9 9',
  ])
})

test('a .txt file is one document', async () => {
  expect(sorted(await sequences('a.txt', 'w0 w1\nw2 w3 w4 w5 w6\n'))).toEqual(['1 4 5 6', '1 7 8 9'])
})

test('the order follows from the seed, and is another one with another seed', async () => {
  const text = Array.from({ length: 20 }, (_, i) => `{"text": "${words[4 + i]} w40"}`).join('\n')
  const [a, again, b] = [1, 1, 2].map((seed) => sequences('a.jsonl', text, { seed }))
  expect(await again).toEqual(await a)
  expect(await b).not.toEqual(await a)
  expect(sorted(await b!)).toEqual(sorted(await a!))
  expect(await a).not.toEqual(sorted(await a!).map((row) => row.split(' ').map(Number)))
})

test('values tell how much there is, how much is padding, and what was left out', async () => {
  const { search } = await prepared(
    'a.jsonl',
    '{"text": "w0 w1 w2 w3 w4"}\n{"text": null}\n{"text": "w4 w5"}\n{"text": ""}',
  )
  expect((await search.outputs('prepare')).values).toMatchObject({
    sequenceLength: 4,
    train: { sequences: 3, tokens: 10, positions: 12, padding: expect.closeTo(1 / 6) as number, empty: 2 },
    tasks: ['one', 'two'],
  })
})

test.each([
  ['is empty', 'a.jsonl', '', 'holds 0 tokens: fewer than two sequences of 4'],
  ['is too short', 'a.txt', 'w0 w1 w2 w3 w4', 'holds 7 tokens: fewer than two sequences of 4'],
  [
    'has a line that is not JSON',
    'a.jsonl',
    '{"text": "w0 w1 w2 w3 w4 w5 w6"}\n\n{"text":',
    ':3:9: is not JSON: the end where a value should be',
  ],
  [
    'has a line without text',
    'a.jsonl',
    '{"txt": "w0"}',
    ':1: has no "text", "input_ids", "messages", "conversations", or "prompt" with "completion": it has "txt"',
  ],
  [
    'has an id outside of the vocabulary',
    'a.jsonl',
    '{"text": "w0"}\n{"input_ids": [1, 50]}',
    ':2: has 50 in its "input_ids" (number 2), which is not a token id of the model',
  ],
  [
    'has an id that is no whole number',
    'a.jsonl',
    '{"input_ids": [1, 2.5]}',
    ':1: has 2.5 in its "input_ids" (number 2)',
  ],
  ['has a line that is a list', 'a.jsonl', '[1, 2]', ':1:2: is a number, not an object'],
])('data that %s is refused with file, place and remedy', async (_, name, text, message) => {
  const { search, file } = await prepared(name, text)
  const error = await failure(search)
  expect(error).toMatchObject({ kind: 'InvalidInput', file, remedy: expect.stringMatching(/\w/) as string })
  expect((error as Error).message).toContain(file)
  expect((error as Error).message).toContain(message)
})

test('sequences longer than the model has positions are refused with a remedy', async () => {
  const data = { train: { path: './data/a.txt' }, validate: { path: './data/a.txt' }, sequenceLength: 300 }
  const { search } = await prepared('a.txt', 'w0', { data })
  expect(await failure(search)).toMatchObject({
    kind: 'InvalidInput',
    message: "data.sequenceLength 300 is more than the model's 256 positions",
    remedy: 'Give 256 or less.',
  })
})

test('data of token ids needs no tokenizer; text does', async () => {
  const bare = await tinyWorld({}, { tokenizer: false })
  const ids = Array.from({ length: 4 }, () => JSON.stringify({ input_ids: [1, 5, 9, 8] })).join('\n')
  const search = async (name: string, text: string) => {
    writeFileSync(join(bare.folder, 'data', name), text)
    const path = { path: `./data/${name}` }
    const data = { train: path, validate: path, sequenceLength: 4 }
    return Search.open(bare.folder, tinySpec({ data, tasks: null }))
  }
  expect((await (await search('ids.jsonl', ids)).outputs('prepare')).values).toMatchObject({ train: { sequences: 4 } })
  expect(await failure(await search('text.jsonl', '{"text": "w0"}'))).toMatchObject({
    kind: 'InvalidInput',
    file: join(bare.parent, 'tokenizer.json'),
  })
})

test('tasks become token ids: the prompt with the leading token, the answer without', async () => {
  const { folder, search } = await prepared('a.txt', 'w0 w1 w2 w3 w4 w5 w6 w7 w8', {
    stages: { prepare: { taskItems: 2 } },
  })
  const line = (prompt: string, answer: string) => JSON.stringify({ prompt, answer })
  writeFileSync(
    join(folder, 'tasks/one.jsonl'),
    [line('w0 w1', 'w2 w3'), line('w4', 'w5'), line('w6', 'w7')].join('\n'),
  )
  const tasks = await search.json<Record<string, TaskItems>>((await search.outputs('prepare')).files.tasks)
  expect(tasks.one).toEqual({
    chance: 0.02,
    items: [
      { prompt: [1, 4, 5], answer: [6, 7] },
      { prompt: [1, 8], answer: [9] },
    ],
  })
  expect(tasks.two!.chance).toBe(0)
})

test.each([
  ['an index that is not JSON', 'tasks.json', '{', 'tasks.json:1:2: is not JSON'],
  ['an index that is no map', 'tasks.json', '[]', 'tasks.json: names no tasks'],
  ['a chance that is no share', 'tasks.json', '{"one": {"chance": 2}}', 'tasks.json: the chance of "one" is 2'],
  ['a task that leads out of the folder', 'tasks.json', '{"../one": {}}', 'tasks.json: "../one" is not a task name'],
  ['a task without items', 'one.jsonl', '\n', 'one.jsonl: has no items'],
  ['a task without its file', 'tasks.json', '{"three": {}}', 'three.jsonl: ENOENT'],
  [
    'an item that is not JSON',
    'one.jsonl',
    '{"prompt": "w0", "answer": "w1"}\n{',
    'one.jsonl:2:2: is not JSON: the end where a key in double quotes should be',
  ],
  [
    'an item whose answer is null',
    'one.jsonl',
    '\ufeff{"prompt": "w0", "answer": null}\r\n',
    'one.jsonl:1: has an answer that is null',
  ],
  [
    'an item that is Python, not JSON',
    'one.jsonl',
    '[{"prompt": "w0", "answer": "w1", "right": None}]',
    'one.jsonl:1:44: is not JSON: None',
  ],
  ['an item without an answer', 'one.jsonl', '\n{"prompt": "w0"}', 'one.jsonl:2: has no prompt and answer'],
  // It would count as right whatever the model says.
  ['an item with an empty answer', 'one.jsonl', '{"prompt": "w0", "answer": " "}', 'one.jsonl:1: has an empty answer'],
])('tasks with %s are refused with file, place and remedy', async (_, name, text, message) => {
  const { folder, search } = await prepared('a.txt', 'w0 w1 w2 w3 w4 w5 w6 w7 w8')
  writeFileSync(join(folder, 'tasks', name), text)
  const error = await failure(search)
  expect(error).toMatchObject({ kind: 'InvalidInput', remedy: expect.stringMatching(/tasks.json is/) as string })
  expect((error as Error).message).toContain(join(folder, 'tasks', message))
})

test('a prompt of no tokens is refused: nothing stands before the answer', async () => {
  const { folder, search } = await prepared('a.txt', 'w0 w1 w2 w3 w4 w5 w6 w7 w8')
  const file = join(folder, 'parent/tokenizer.json')
  const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as JsonObject
  writeFileSync(file, JSON.stringify({ ...tokenizer, post_processor: null }))
  writeFileSync(join(folder, 'tasks/two.jsonl'), '{"prompt": "", "answer": "w1"}')
  expect(await failure(search)).toMatchObject({
    message: expect.stringMatching(/two.jsonl:1: has an empty prompt$/) as string,
  })
})

test('without tasks there are none', async () => {
  const search = await Search.open(world.folder, tinySpec({ tasks: null }))
  const { files, values } = await search.outputs('prepare')
  expect(values.tasks).toEqual([])
  expect(await search.json(files.tasks)).toEqual({})
})

/** Lines of documents that differ. */
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => `{"text": "${words[4 + (i % 46)]} ${words[4 + Math.floor(i / 46)]}"}`).join(
    '\n',
  )
const rowsOf = async (search: Search, name: 'validate' | 'test') => {
  const { count, length, ids } = await readSequences(
    search.environment([]),
    (await search.outputs('prepare')).files[name]!,
  )
  return Array.from({ length: count }, (_, row) => ids.subarray(row * length, (row + 1) * length).join(' '))
}

test.each<
  readonly [what: string, count: number, testShare: number | undefined, split: string, validate: number, test: number]
>([
  ['half of it is for the test, by content', 100, undefined, 'content', 52, 48],
  ['as much as is asked for', 100, 0.2, 'content', 83, 17],
  ['all of it serves for both where none is to be kept', 100, 0, 'same', 100, 100],
  ['little text serves for both', 63, undefined, 'same', 63, 63],
])('of one held-out text, %s', async (_, count, testShare, split, validate, held) => {
  const data = { train: { path: './data/a.jsonl' }, validate: { path: './data/a.jsonl' }, sequenceLength: 4 }
  const stages = testShare === undefined ? {} : { stages: { prepare: { testShare } } }
  const { search } = await prepared('a.jsonl', many(count), { data, tasks: null, ...stages })
  const [seen, unseen] = [await rowsOf(search, 'validate'), await rowsOf(search, 'test')]
  expect([seen.length, unseen.length]).toEqual([validate, held])
  if (split === 'content') expect(new Set([...seen, ...unseen]).size).toBe(count)
  expect((await search.outputs('prepare')).values).toMatchObject({
    train: { sequences: count },
    validate: { sequences: validate },
    test: { sequences: held },
    splits: { text: split, tasks: {} },
  })
})

test('a test text of the spec is the test, and the other is not divided', async () => {
  const path = './data/a.jsonl'
  const data = { train: { path }, validate: { path }, test: { path: './data/b.jsonl' }, sequenceLength: 4 }
  const { folder, search } = await prepared('a.jsonl', many(100), { data: { ...data, test: { path } }, tasks: null })
  expect((await search.outputs('prepare')).values).toMatchObject({
    validate: { sequences: 100 },
    test: { sequences: 100 },
    splits: { text: 'given' },
  })
  writeFileSync(join(folder, 'data/b.jsonl'), many(3))
  const own = await Search.open(folder, tinySpec({ data, tasks: null }))
  expect((await own.outputs('prepare')).values).toMatchObject({ validate: { sequences: 100 }, test: { sequences: 3 } })
})

test('tasks of a folder and of the harness are read, each with what only the final evaluation sees', async () => {
  const { folder } = await prepared('a.txt', 'w0 w1 w2 w3 w4 w5 w6 w7 w8')
  const item = (n: number) => JSON.stringify({ prompt: `w1 ${words[4 + n]}`, answer: 'w2' })
  writeFileSync(join(folder, 'tasks/one.jsonl'), Array.from({ length: 40 }, (_, n) => item(n)).join('\n'))
  writeFileSync(join(folder, 'tasks/two.test.jsonl'), [item(1), item(2)].join('\n'))
  writeFileSync(join(folder, 'more.jsonl'), '{"q": "w5", "a": "w6"}\n')
  writeFileSync(
    join(folder, 'more.yaml'),
    `task: more
dataset_path: json
dataset_kwargs: {data_files: {test: more.jsonl}}
test_split: test
output_type: loglikelihood
doc_to_text: q
doc_to_target: " {{a}}"
`,
  )
  const data = { train: { path: './data/a.txt' }, validate: { path: './data/a.txt' }, sequenceLength: 4 }
  const tasks = ['./tasks', { harness: './more.yaml', metric: 'acc' }]
  const search = await Search.open(folder, tinySpec({ data, tasks }))
  const { values, files } = await search.outputs('prepare')
  expect(values).toMatchObject({
    tasks: ['one', 'two', 'more'],
    splits: { tasks: { one: 'content', two: 'given', more: 'same' } },
  })
  const [seen, unseen] = [
    await search.json<Record<string, TaskItems>>(files.tasks),
    await search.json<Record<string, TaskItems>>(files.testTasks),
  ]
  const sizes = (own: Record<string, TaskItems>) => ['one', 'two', 'more'].map((name) => own[name]!.items.length)
  expect([sizes(seen), sizes(unseen)]).toEqual([
    [27, 6, 1],
    [13, 2, 1],
  ])
  expect(seen.more).toEqual({
    chance: 0,
    metrics: [{ name: 'perplexity' }, { name: 'acc' }],
    main: 'acc',
    items: [{ prompt: [1, 9], answer: [10] }],
  })
})
