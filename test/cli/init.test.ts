import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { budgets } from '../../cli/init/budgets.js'
import { fittingScale } from '../../cli/init/fit.js'
import { pieces } from '../../cli/init/own-data.js'
import { temporaryFolder } from '../temporary-folder.js'
import { Place } from './puzzleflow.js'

const quickstart = new URL('../../examples/quickstart/', import.meta.url).pathname

let place: Place
let folder: string
beforeEach(() => {
  folder = temporaryFolder()
  cpSync(join(quickstart, 'parent'), join(folder, 'parent'), { recursive: true })
  const lines = readFileSync(join(quickstart, 'data/train.jsonl'), 'utf8').split('\n').slice(0, 400)
  writeFileSync(join(folder, 'text.jsonl'), `${lines.join('\n')}\n`)
  place = new Place(folder, join(folder, 'state'))
})

test('the spec that is proposed for the only model of a folder is valid, and says what it found', async () => {
  const { code, stdout, stderr } = await place.run('init', '--data', 'text.jsonl', '--within', '10min')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('Wrote search.yaml.')
  // Lines of the table alone: nothing ran before that it could be compared with.
  expect(stdout).not.toMatch(/^ {4}/m)
  const spec = readFileSync(join(folder, 'search.yaml'), 'utf8')
  expect(spec).toContain('# llama: 8 layers, hidden size 192, 3.58 million parameters.')
  expect(spec).toContain('model: ./parent')
  const [, schema] = /^# yaml-language-server: \$schema=(.*)$/m.exec(spec)!
  expect(existsSync(join(folder, schema!))).toBe(true)
  expect(spec).toContain('- { block: grouped-query, kvHeads: [ 3 ] }')
  expect((await place.run('validate', 'search.yaml')).stdout).toContain('search.yaml is valid')
})

test('more time is given to more thorough stages, and none is planned beyond it', async () => {
  const seconds = async (within: string) => {
    const { stdout } = await place.run('init', '--data', 'text.jsonl', '--within', within, '--json', '-o', within)
    return (JSON.parse(stdout) as { seconds: number }).seconds
  }
  const [short, long] = [await seconds('2min'), await seconds('6min')]
  expect(short).toBeLessThanOrEqual(120)
  expect(long).toBeGreaterThan(short)
  expect(long).toBeLessThanOrEqual(360)
})

test('documents that are held out are not trained on', async () => {
  await place.run('init', '--data', 'text.jsonl')
  const read = (name: string) =>
    readFileSync(join(folder, 'data', name), 'utf8')
      .trim()
      .split('\n')
  const [train, validate] = [read('train.jsonl'), read('validate.jsonl')]
  expect(train.filter((line) => validate.includes(line))).toEqual([])
  expect(train.length + validate.length).toBe(400)
  expect(validate.length).toBeGreaterThan(20)
})

test('text of another file is not overwritten', async () => {
  await place.run('init', '--data', 'text.jsonl')
  const before = readFileSync(join(folder, 'data/train.jsonl'), 'utf8')
  writeFileSync(join(folder, 'other.txt'), 'something else\n'.repeat(2000))
  const { code, stderr } = await place.run('init', '--data', 'other.txt', '-o', 'other.yaml')
  expect(code).toBe(2)
  expect(stderr).toContain('train.jsonl already exists, with different text')
  expect(stderr).toContain(
    'Remedy: Write the spec into another folder (--output FOLDER/search.yaml), or name both files',
  )
  expect(readFileSync(join(folder, 'data/train.jsonl'), 'utf8')).toBe(before)
  expect(readdirSync(join(folder, 'data')).sort()).toEqual(['train.jsonl', 'validate.jsonl'])
})

test('a short text file is divided, too, and an empty one is refused', async () => {
  writeFileSync(join(folder, 'short.txt'), 'one word after another in a line\n'.repeat(300))
  await place.run('init', '--data', 'short.txt')
  for (const name of ['train.jsonl', 'validate.jsonl'])
    expect(readFileSync(join(folder, 'data', name), 'utf8')).toContain('one word after another')
  rmSync(join(folder, 'data'), { recursive: true })
  writeFileSync(join(folder, 'empty.txt'), '')
  expect((await place.run('init', '--data', 'empty.txt', '-o', 'other.yaml')).stderr).toContain('too little text')
})

test('files that are both given are taken as they are', async () => {
  copyFileSync(join(quickstart, 'data/validate.jsonl'), join(folder, 'held.jsonl'))
  const { code } = await place.run('init', './parent', '--data', 'text.jsonl', '--validate', 'held.jsonl')
  expect(code).toBe(0)
  expect(existsSync(join(folder, 'data'))).toBe(false)
  expect(readFileSync(join(folder, 'search.yaml'), 'utf8')).toContain('validate: { path: ./held.jsonl }')
})

test('tasks make accuracy the measure of quality', async () => {
  cpSync(join(quickstart, 'tasks'), join(folder, 'tasks'), { recursive: true })
  await place.run('init', '--data', 'text.jsonl', '--tasks', 'tasks')
  const spec = readFileSync(join(folder, 'search.yaml'), 'utf8')
  expect(spec).toContain('tasks: ./tasks')
  expect(spec).toContain("quality: '>= 98%'")
})

test('a model writes its own text where there is none, and goes on where it was interrupted', async () => {
  const { code, stderr } = await place.run('init', '--self-data', '8k')
  expect(code, stderr).toBe(0)
  const path = join(folder, 'data/self.jsonl')
  const text = readFileSync(path, 'utf8')
  expect(text.trim().split('\n').length).toBeGreaterThanOrEqual(32)
  // As if it had been killed in the second batch of texts.
  for (const name of ['train.jsonl', 'validate.jsonl', 'self.jsonl']) rmSync(join(folder, 'data', name))
  writeFileSync(`${path}.part`, text.split('\n').slice(0, 20).join('\n'))
  await place.run('init', '--self-data', '8k', '--force')
  expect(readFileSync(path, 'utf8')).toBe(text)
}, 120_000)

test('without text, without a model and with several, it says what to bring', async () => {
  expect(await place.run('init')).toMatchObject({ code: 2, stderr: expect.stringContaining('--self-data') as string })
  mkdirSync(join(folder, 'empty'))
  const elsewhere = new Place(join(folder, 'empty'), join(folder, 'state'))
  expect((await elsewhere.run('init', '--self-data')).stderr).toContain('There is no model in')
  cpSync(join(folder, 'parent'), join(folder, 'other'), { recursive: true })
  expect((await place.run('init', '--self-data')).stderr).toContain('There are several models')
})

test('a spec that is there is not overwritten, and a time that is none is refused', async () => {
  writeFileSync(join(folder, 'search.yaml'), 'mine')
  const { code, stderr } = await place.run('init', '--data', 'text.jsonl')
  expect(code).toBe(2)
  expect(stderr).toContain('already exists')
  expect(readFileSync(join(folder, 'search.yaml'), 'utf8')).toBe('mine')
  expect((await place.run('init', '--data', 'text.jsonl', '--force', '--within', 'soon')).stderr).toContain(
    '--within soon',
  )
})

test('a search that takes too long in any case is told so', async () => {
  const { code, stderr } = await place.run('init', '--data', 'text.jsonl', '--within', '5s')
  expect(code).toBe(0)
  expect(stderr).toContain('Even with the smallest budgets')
})

test('budgets stay within the data', () => {
  const own = budgets(64, { tokens: 50, train: 40, validate: 12 })
  expect(own.capture).toEqual({ sequences: 40, validateSequences: 12 })
  expect(own.uptrain!.tokens).toBe(16_000)
  expect(own.score!.sequences).toBe(12)
})

test('the largest effort that fits is found', async () => {
  expect(await fittingScale(100, async (scale) => 50 * scale)).toBeCloseTo(2, 1)
  expect(await fittingScale(100, async () => 1)).toBe(64)
  expect(await fittingScale(100, async () => 1000)).toBe(0.01)
})

test('a long text is divided after lines, without losing a character or halving one', () => {
  const text = `${'a line of words\n'.repeat(600)}${'😀'.repeat(9000)}`
  const all = [...pieces(text)]
  expect(all.join('')).toBe(text)
  expect(all[0]!.endsWith('\n')).toBe(true)
  for (const piece of all) expect(Buffer.from(piece).toString()).toBe(piece)
})
