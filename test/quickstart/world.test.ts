import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openModel, SafetensorsFile, Tokenizer } from '../../model/index.js'
import { digestBytes } from '../../store/digest.js'
import { blocks } from '../model/tiny.js'

const repository = join(import.meta.dirname, '../../examples/quickstart')
const made = mkdtempSync(join(tmpdir(), 'puzzleflow-quickstart-'))
afterAll(() => rmSync(made, { recursive: true, force: true }))
copyFileSync(join(repository, 'world.mjs'), join(made, 'world.mjs'))
/** Runs world.mjs on a copy of its folder. */
const world = (...options: string[]) =>
  execFileSync('node', [join(made, 'world.mjs'), ...options], { encoding: 'utf8' })
// All of the parent's 170,000 documents take minutes to make; a hundredth of them, by the same rules and over the same
// course from easy to hard, shows a leak as well. (`node world.mjs --parent && node world.mjs --check` looks at all.)
world('--parent=0.01')

interface Item {
  readonly prompt: string
  readonly answer: string
}
interface Text {
  readonly text: string
  readonly answers: readonly (readonly [start: number, end: number])[]
}
const linesOf = <T>(path: string): T[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
const index = JSON.parse(readFileSync(join(repository, 'tasks/tasks.json'), 'utf8')) as Record<
  string,
  { chance: number }
>
const tasks = Object.entries(index).map(([name, { chance }]) => ({
  name,
  chance,
  // Those of the search, and those of the final evaluation.
  items: [`tasks/${name}.jsonl`, `tasks/${name}.test.jsonl`].flatMap((file) => linesOf<Item>(join(repository, file))),
}))

test('world.mjs makes exactly the files in the repository', () => {
  const kept = [
    'parent/tokenizer.json',
    'parent/tokenizer_config.json',
    ...readdirSync(join(repository, 'tasks')).map((name) => `tasks/${name}`),
    'data/train.jsonl',
    'data/validate.jsonl',
    'data/test.jsonl',
  ]
  expect(kept.length).toBeGreaterThanOrEqual(10)
  for (const name of kept)
    expect(digestBytes(readFileSync(join(made, name))), name).toBe(digestBytes(readFileSync(join(repository, name))))
})

describe('tasks', () => {
  test('are five or more, with 360 items or more each for search and final evaluation, none of them twice', () => {
    expect(tasks.length).toBeGreaterThanOrEqual(5)
    for (const { items } of tasks) {
      expect(items.length).toBeGreaterThanOrEqual(360)
      expect(new Set(items.map(({ prompt }) => prompt)).size).toBe(items.length)
    }
  })

  test('state a chance that the most frequent answer does not beat', () => {
    for (const { name, chance, items } of tasks) {
      expect(chance, name).toBeGreaterThan(0)
      expect(chance, name).toBeLessThan(0.5)
      const counts = new Map<string, number>()
      for (const { answer } of items) counts.set(answer, (counts.get(answer) ?? 0) + 1)
      // Of so many items; three standard deviations are luck.
      const luck = 3 * Math.sqrt((chance * (1 - chance)) / items.length)
      expect(Math.max(...counts.values()) / items.length, name).toBeLessThanOrEqual(chance + luck)
    }
  })

  test('have sums, differences, copies and reversals that are right', () => {
    const number = (text: string) => Number(text.replaceAll(' ', ''))
    const of = (name: string) => tasks.find((task) => task.name === name)!.items
    for (const { prompt, answer } of [...of('add'), ...of('sub')]) {
      const [, a, sign, b] = /^(\d \d) ([+-]) (\d \d) =$/.exec(prompt)!
      expect(number(answer), prompt).toBe(sign === '+' ? number(a!) + number(b!) : number(a!) - number(b!))
    }
    for (const { prompt, answer } of of('copy')) expect(`copy ${answer} =`).toBe(prompt)
    for (const { prompt, answer } of of('reverse'))
      expect(`reverse ${answer.split(' ').reverse().join(' ')} =`).toBe(prompt)
    for (const { prompt, answer } of of('lookup')) {
      const [, list, key] = /^list (.*) \. (\w+)$/.exec(prompt)!
      expect(list!.split(' , '), prompt).toContain(`${key} ${answer}`)
    }
  })
})

describe('no item of a task is in anything that is learned from', () => {
  const prompts = new Set(tasks.flatMap(({ items }) => items.map(({ prompt }) => prompt)))

  /** All questions of a text, with each beginning from which a model might read them. */
  function questions({ text, answers }: Text): string[] {
    return answers.flatMap(([start]) => {
      const before = text.slice(0, start - 1)
      const found = [before]
      for (let at = before.indexOf(' . '); at !== -1; at = before.indexOf(' . ', at + 1))
        found.push(before.slice(at + 3))
      // A list that was asked about before is the same list.
      const [list] = /^list .*? \./.exec(before) ?? []
      return list === undefined ? found : [...found, `${list} ${before.slice(before.lastIndexOf(' ') + 1)}`]
    })
  }

  test.each([
    ['the search’s training text', join(repository, 'data/train.jsonl'), 6000],
    ['the search’s held-out text', join(repository, 'data/validate.jsonl'), 400],
    ['the final evaluation’s text', join(repository, 'data/test.jsonl'), 400],
    ['the parent’s first course', join(made, 'data/parent.jsonl'), 1100],
    ['the parent’s second course', join(made, 'data/parent-2.jsonl'), 600],
  ])('%s', (_, file, count) => {
    const texts = linesOf<Text>(file)
    expect(texts).toHaveLength(count)
    expect(texts.flatMap(questions).filter((question) => prompts.has(question))).toEqual([])
  })

  test('and such a question would be found', () => {
    const { prompt, answer } = tasks[0]!.items[0]!
    const text = `1 1 + 1 1 = 2 2 . ${prompt} ${answer} .`
    const start = text.indexOf(prompt) + prompt.length + 1
    expect(questions({ text, answers: [[start, start + answer.length]] })).toContain(prompt)
    const lookup = tasks.find(({ name }) => name === 'lookup')!.items[0]!
    const [, list, key] = /^(list .* \.) (\w+)$/.exec(lookup.prompt)!
    const later = `${list} toad red . ${key} ${lookup.answer} .`
    const at = later.length - 2 - lookup.answer.length
    expect(questions({ text: later, answers: [[at, at + lookup.answer.length]] })).toContain(lookup.prompt)
  })

  test('world.mjs --check says so, and fails when there is one', () => {
    const said = world('--check').trim().split('\n')
    expect(said).toHaveLength(5)
    for (const line of said)
      expect(line).toMatch(/^data\/[\w-]+\.jsonl: 0 of \d{4,} answers belong to a held-out item$/)

    const { prompt, answer } = tasks[0]!.items[0]!
    const text = { text: `${prompt} ${answer} .`, answers: [[prompt.length + 1, prompt.length + 1 + answer.length]] }
    const other = mkdtempSync(join(made, 'leak-'))
    mkdirSync(join(other, 'data'))
    copyFileSync(join(repository, 'world.mjs'), join(other, 'world.mjs'))
    writeFileSync(join(other, 'data/validate.jsonl'), `${JSON.stringify(text)}\n`)
    const { status, stdout } = spawnSync('node', [join(other, 'world.mjs'), '--check'], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: 'data/validate.jsonl: 1 of 1 answers belong to a held-out item\n',
    })
  })
})

describe('the parent', () => {
  const folder = join(repository, 'parent')

  test('takes no more than 10 MB, in float16', async () => {
    const bytes = readdirSync(folder).reduce((n, name) => n + statSync(join(folder, name)).size, 0)
    expect(bytes).toBeLessThanOrEqual(10e6)
    const { tensors } = await SafetensorsFile.open(join(folder, 'model.safetensors'))
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F16']))
  })

  test('opens, and its tokenizer knows every word of the world', async () => {
    const { config } = await openModel(folder, blocks)
    const tokenizer = Tokenizer.open(folder, config.vocabulary)
    expect(tokenizer.size).toBe(config.vocabulary)
    const words = new Set<string>()
    for (const name of ['data/train.jsonl', 'data/validate.jsonl', 'data/parent.jsonl', 'data/parent-2.jsonl'])
      for (const { text } of linesOf<Text>(join(made, name))) for (const word of text.split(' ')) words.add(word)
    for (const { items } of tasks)
      for (const { prompt, answer } of items) for (const word of `${prompt} ${answer}`.split(' ')) words.add(word)
    const unknown = tokenizer.encode('<unk>', { special: false })
    expect(unknown).toHaveLength(1)
    for (const word of words) {
      const ids = tokenizer.encode(word, { special: false })
      expect(ids, word).toHaveLength(1)
      expect(ids, word).not.toEqual(unknown)
      expect(tokenizer.decode(ids)).toBe(word)
    }
  })
})
