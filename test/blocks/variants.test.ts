import { expect, test } from 'vitest'
import { Failure, type JsonObject } from '../../api/index.js'
import { groupedQuery } from '../../plugins/blocks/grouped-query.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { swiglu } from '../../plugins/blocks/swiglu.js'
import { facts as small } from './cases.js'
import { entries } from './entries.js'

const facts = { ...small, heads: 12, kvHeads: 12, intermediate: 512 }

const kvHeads = (entry: JsonObject['kvHeads']) =>
  [...groupedQuery.variants(facts, { block: 'grouped-query', kvHeads: entry! })].map((p) => p.kvHeads)
const widths = (entry: JsonObject['width'], intermediate = facts.intermediate) =>
  [...swiglu.variants({ ...facts, intermediate }, { block: 'swiglu', width: entry! })].map((p) => p.width)

test('numbers of KV heads keep the order of the spec, which may list one or several', () => {
  expect(kvHeads([6, 1, 4])).toEqual([6, 1, 4])
  expect(kvHeads(3)).toEqual([3])
})

test("the parent's size is the variant `parent` and not repeated", () => {
  expect(kvHeads([12, 4])).toEqual([4])
  expect(widths([512, '100%', 256])).toEqual([256])
})

test('percentages are rounded to multiples of 8 channels, at least 8', () => {
  expect(widths(['75%', '50 %', '33.3%', '10%', '0.1%'])).toEqual([384, 256, 168, 48, 8])
})

test('only duplicates of the same number are dropped', () => {
  expect(widths(['50%', '50.2%', 256, '51%', '10%', '9%'])).toEqual([256, 264, 48])
  expect(kvHeads([2, 2, 1])).toEqual([2, 1])
  expect(widths([255, 256, 257, 1])).toEqual([255, 256, 257, 1])
})

test.each([4, 6, 12, 46, 63])('no percentage of %i channels exceeds the parent', (intermediate) => {
  const percentages = Array.from({ length: 100 }, (_, i) => `${i + 1}%`)
  for (const width of widths([...percentages, '99.9%'], intermediate)) {
    expect(width).toBeGreaterThanOrEqual(1)
    expect(width).toBeLessThan(intermediate)
  }
})

/** Message and remedy of the error that is thrown. */
function refusal(run: () => unknown): [message: string, remedy: string | undefined] {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).kind).toBe('InvalidInput')
    return [(error as Failure).message, (error as Failure).remedy]
  }
  throw new Error('nothing was rejected')
}

test.each([5, 24, 0, -2, 0.5])('%d KV heads are rejected with the possible numbers', (n) => {
  expect(refusal(() => kvHeads([4, n]))).toEqual([
    `kvHeads ${n} does not divide the parent's 12 key/value heads`,
    'Use 1, 2, 3, 4, 6, 12.',
  ])
})

test.each([513, 0, -8, 1.5, '0%', '100.1%', '250%'])('a width of %s is rejected with the possible widths', (n) => {
  expect(refusal(() => widths(['50%', n]))).toEqual([
    `width ${n} is impossible: the parent's FFN has 512 channels`,
    'Use 1 to 512, or a percentage above 0% and up to 100%.',
  ])
})

test('different variants of a slot have different ids', () => {
  for (const slot of ['attention', 'ffn'] as const) {
    const ids = builtInBlocks
      .filter((type) => type.slot === slot)
      .flatMap((type) => {
        const entry = entries[`${slot}/${type.name}`]!
        return [...type.variants(small, { block: type.name, ...entry })].map((params) => type.id(params))
      })
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThan(3)
  }
})

test('ids are stable, because results and file names contain them', () => {
  const ids = ['grouped-query', 'linear', 'no-op', 'swiglu'].map((name) =>
    builtInBlocks.find((type) => type.name === name)!.id({ kvHeads: 2, width: 256 }),
  )
  expect(ids).toEqual(['grouped-query-2', 'linear', 'no-op', 'swiglu-256'])
})

test('linear and no-op have one variant', () => {
  for (const type of builtInBlocks.filter(({ name }) => name === 'linear' || name === 'no-op'))
    expect(type.variants(facts, { block: type.name })).toEqual([{}])
})

test('two block types with the same slot and name are a bug of a plugin', () => {
  expect(() => makeBlocks([...builtInBlocks, builtInBlocks[0]!])).toThrow(
    'There are two attention block types named "grouped-query"',
  )
})

test('an unknown block type is named, with a hint where it could come from', () => {
  expect(refusal(() => makeBlocks().get('ffn', 'swigul'))).toEqual([
    'There is no ffn block type "swigul"',
    'Add the plugin that has it to `plugins:` in the spec.',
  ])
})
