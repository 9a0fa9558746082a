import { closeSync, openSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Place, type Ended } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'

let place: Place
let folder: string
beforeEach(async () => {
  folder = await writeTinySearch()
  place = new Place(folder)
  // What is held in memory must not grow with the file.
  place.environment.NODE_OPTIONS = '--max-old-space-size=300'
})
afterEach(() => place.close())

const write = (name: string, text: string) => writeFileSync(join(folder, name), text)

/** What `validate` says of a spec. */
async function validated(spec = tinySpec): Promise<Ended> {
  write('search.yaml', spec)
  const { stdout, ...more } = await place.run('validate', 'search.yaml')
  return { ...more, stdout: stdout.replaceAll(`${folder}/`, '') }
}

/** Makes a file of 1 GB without a line break after its beginning; what no reader comes to is a hole. */
function oneLine(name: string, begin: string, letters = 70 * 2 ** 20): void {
  write(name, begin + 'a'.repeat(letters))
  truncateSync(join(folder, name), 1e9)
}

test.each([
  ['a line of JSON', 'data/train.jsonl', '{"text": "', 'data/train.jsonl:1:1: is longer than 67108864 characters'],
  [
    'a row of a table',
    'data/train.csv',
    'text\n',
    'data/train.csv:2: is not CSV: a row of more than 67108864 characters',
  ],
  ['an item of a task', 'tasks/next.jsonl', '{"prompt": "', 'tasks/next.jsonl:1:1: is longer than 67108864 characters'],
])('%s of 1 GB is refused with its line, and is not held in memory', async (_, name, begin, message) => {
  oneLine(name, begin)
  const spec = name.startsWith('data') ? tinySpec.replace('./data/train.jsonl', `./${name}`) : tinySpec
  const { code, stdout } = await validated(spec)
  expect({ code, stdout }).toEqual({ code: 2, stdout: expect.stringContaining(message) as string })
})

test('a spec of 1 GB is refused before it is read', async () => {
  write('search.yaml', tinySpec)
  truncateSync(join(folder, 'search.yaml'), 1e9)
  const { code, stdout } = await place.run('validate', 'search.yaml')
  expect({ code, stdout }).toEqual({ code: 2, stdout: expect.stringContaining('too-large') as string })
})

test('a hundred thousand other files beside data, model and tasks change nothing', async () => {
  for (let part = 0; part < 100; part++)
    for (let i = 0; i < 1000; i++) closeSync(openSync(join(folder, `data/${'n'.repeat(100)}-${part}-${i}`), 'w'))
  expect(await validated()).toMatchObject({ code: 0 })
  // A folder in the place of a file, and a name that is not there, are told of without a list of all.
  const wrong = await validated(tinySpec.replace('./data/train.jsonl', './data'))
  expect(wrong.code).toBe(2)
  expect(wrong.stdout.length).toBeLessThan(2000)
  const absent = await validated(tinySpec.replace('./data/train.jsonl', `./data/${'n'.repeat(99)}-1-1`))
  expect(absent.code).toBe(2)
  expect(absent.stdout).toContain('missing-file')
  expect(absent.stdout.length).toBeLessThan(2000)
  // The same folder is that of the model and of the tasks.
  for (const name of ['config.json', 'model.safetensors', 'tokenizer.json'])
    renameSync(join(folder, 'parent', name), join(folder, 'data', name))
  for (const name of ['tasks.json', 'next.jsonl']) renameSync(join(folder, 'tasks', name), join(folder, 'data', name))
  const spec = tinySpec.replace('model: ./parent', 'model: ./data').replace('tasks: ./tasks', 'tasks: ./data')
  expect(await validated(spec)).toMatchObject({ code: 0 })
})
