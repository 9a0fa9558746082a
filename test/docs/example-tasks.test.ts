import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSplitTasks } from '../../data/read-tasks.js'
import { taskFiles } from '../../data/task-items.js'
import { Tokenizer } from '../../model/index.js'
import { packageRoot } from '../../store/paths.js'
import { writeTokenizer } from '../stages/world.js'
import { temporaryFolder } from '../temporary-folder.js'

const example = join(packageRoot(), 'examples/gemma-3-270m')

/** A made-up text whose sentences all have 20 words, the last of them one of many. */
const textOf = (name: string, seed: number) =>
  Array.from({ length: 40 }, (_, i) => {
    const words = Array.from({ length: 18 }, (_, k) =>
      k === 0 ? `t${seed}s${i}` : `w${(seed * 31 + i * 7 + k * k) % 97}`,
    )
    return `${name} ${words.join(' ')} ending${'abcdefghij'[i % 10]}${'klmnopqrst'[(seed + i) % 7]}.`
  }).join(' ')
const texts = {
  validate: [1, 2, 3, 4, 5, 6].map((n) => textOf('Val', n)),
  test: [7, 8, 9, 10, 11].map((n) => textOf('Tes', n)),
}

/** What the example's script writes beside such texts, by file. */
function written(): { folder: string; files: Readonly<Record<string, string>> } {
  const folder = temporaryFolder()
  for (const name of ['tasks.mjs', 'facts.mjs']) cpSync(join(example, name), join(folder, name))
  mkdirSync(join(folder, 'data'))
  for (const [split, all] of Object.entries(texts))
    writeFileSync(join(folder, 'data', `${split}.jsonl`), all.map((text) => `${JSON.stringify({ text })}\n`).join(''))
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'tasks.mjs')], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const tasks = join(folder, 'tasks')
  return {
    folder: tasks,
    files: Object.fromEntries(readdirSync(tasks).map((name) => [name, readFileSync(join(tasks, name), 'utf8')])),
  }
}

type Item = Readonly<Record<string, unknown>>
const itemsOf = (text: string | undefined) =>
  (text ?? '')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Item)

const { folder, files } = written()

test('the tasks of the example are the same every time', () => {
  expect(written().files).toEqual(files)
})

test('each has 40 to 120 different items for the search, and others for the test', async () => {
  const names = ['arithmetic', 'copying', 'counting', 'facts']
  expect(await taskFiles(folder)).toEqual(
    ['tasks.json', ...names.flatMap((name) => [`${name}.jsonl`, `${name}.test.jsonl`])].sort(),
  )
  for (const name of [...names, 'cloze']) {
    const [validation, test] = [itemsOf(files[`${name}.jsonl`]), itemsOf(files[`${name}.test.jsonl`])]
    const asked = [...validation, ...test].map(({ prompt, passage }) => prompt ?? passage)
    expect(new Set(asked).size, name).toBe(asked.length)
    for (const { length } of [validation, test]) {
      expect(length).toBeGreaterThanOrEqual(40)
      expect(length).toBeLessThanOrEqual(120)
    }
  }
})

test('answers are right', () => {
  const all = (name: string) =>
    ['', '.test'].flatMap((split) => itemsOf(files[`${name}${split}.jsonl`])) as { prompt: string; answer: string }[]
  for (const { prompt, answer } of all('arithmetic')) {
    const [, a, b] = /(\d+) \+ (\d+) =$/.exec(prompt)!
    expect(answer).toBe(String(Number(a) + Number(b)))
  }
  for (const { prompt, answer } of all('counting')) {
    const terms = `${prompt} ${answer}`.split(', ').map(Number)
    expect(terms).toHaveLength(8)
    expect(new Set(terms.slice(1).map((term, i) => term - terms[i]!)).size).toBe(1)
  }
  for (const { prompt, answer } of all('copying')) expect(prompt).toContain(`The words are ${answer}. `)
})

test('a passage ends with the right word in a text of its own split, and other words are from that text', () => {
  for (const [file, of] of [
    ['cloze.jsonl', texts.validate],
    ['cloze.test.jsonl', texts.test],
  ] as const)
    for (const { passage, choices, answer } of itemsOf(files[file]) as {
      passage: string
      choices: string[]
      answer: number
    }[]) {
      const text = of.find((own) => own.includes(`${passage} ${choices[answer]}.`))
      expect(text, passage).toBeDefined()
      expect(new Set(choices).size).toBe(4)
      for (const choice of choices) expect(text).toContain(choice)
    }
})

test('a spec can name them all, and none is divided', async () => {
  const scratch = temporaryFolder()
  writeTokenizer(scratch)
  const reader = { tokenizer: Tokenizer.open(scratch), positions: 512 }
  const named = [folder, { harness: join(folder, 'cloze.yaml') }]
  const read = await readSplitTasks(named, reader, { share: 0.5, most: 1000 })
  expect(Object.keys(read).sort()).toEqual(['arithmetic', 'cloze', 'copying', 'counting', 'facts'])
  for (const [name, { split, validation, test }] of Object.entries(read)) {
    expect(split).toBe('given')
    expect(validation.items).toHaveLength(itemsOf(files[`${name}.jsonl`]).length)
    expect(test.items).toHaveLength(itemsOf(files[`${name}.test.jsonl`]).length)
  }
  expect(read.cloze!.test.chance).toBe(0.25)
})
