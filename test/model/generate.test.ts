import { expect, test } from 'vitest'
import { generate, generateAll, type GenerateOptions, type Model } from '../../model/index.js'
import { largest, fullLogits, openMixed } from './mixed.js'
import { someIds } from './tiny.js'

const prompt = Array.from(someIds(5))

async function tokens(model: Model, options: GenerateOptions): Promise<number[]> {
  const found: number[] = []
  for await (const token of generate(model, prompt, options)) found.push(token)
  return found
}

test('sampling with one seed gives the same tokens again, and others with another seed', async () => {
  const model = await openMixed()
  const sample = (seed: number) => tokens(model, { maxTokens: 24, temperature: 1, seed, ignoreEos: true })
  const first = await sample(7)
  expect(first.length).toBe(24)
  expect(await sample(7)).toEqual(first)
  expect(await sample(8)).not.toEqual(first)
})

test('at temperature 0 the most likely token is taken, and nearly always at a temperature near it', async () => {
  const model = await openMixed()
  const greedy = await tokens(model, { maxTokens: 8, ignoreEos: true })
  expect(await tokens(model, { maxTokens: 8, temperature: 1e-4, ignoreEos: true })).toEqual(greedy)
  const whole = await fullLogits(model, Int32Array.from([...prompt, ...greedy]))
  expect(greedy).toEqual(greedy.map((_, i) => largest(whole[prompt.length - 1 + i]!)))
})

test('a high temperature makes all tokens equally likely', async () => {
  const model = await openMixed()
  const found = await tokens(model, { maxTokens: 200, temperature: 1e6, seed: 3, ignoreEos: true })
  // 200 draws of 50 tokens: about 49 of them occur; of skewed logits at temperature 1 far fewer.
  expect(new Set(found).size).toBeGreaterThan(43)
})

test('generation ends with the first end token, unless told otherwise', async () => {
  const model = await openMixed()
  const all = await tokens(model, { maxTokens: 12, ignoreEos: true })
  const eos = all[3]!
  const ending = { ...model, config: { ...model.config, eos: [eos] } }
  expect(await tokens(ending, { maxTokens: 12 })).toEqual(all.slice(0, all.indexOf(eos) + 1))
  expect(await tokens(ending, { maxTokens: 12, ignoreEos: true })).toEqual(all)
})

test('no more tokens come than were asked for', async () => {
  const model = await openMixed()
  expect((await tokens(model, { maxTokens: 1, ignoreEos: true })).length).toBe(1)
  expect(await tokens(model, { maxTokens: 0, ignoreEos: true })).toEqual([])
})

test('a sequence’s end is told before the next ones are begun', async () => {
  const model = await openMixed()
  const prompts = [someIds(5), someIds(3), someIds(5, 2)].map((ids) => Array.from(ids))
  const events: string[] = []
  const isOver = (own: readonly number[], sequence: number) => sequence === 2 && own.length === 1
  const onEnd = (sequence: number) => events.push(`${sequence} ends`)
  for await (const { sequence } of generateAll(model, prompts, { maxTokens: 2, ignoreEos: true, isOver, onEnd }))
    events.push(`${sequence}`)
  expect(events).toEqual(['0', '2', '2 ends', '0', '0 ends', '1', '1', '1 ends'])
})

test('several prompts give what each gives alone, whatever their lengths', async () => {
  const model = await openMixed()
  const prompts = [someIds(5), someIds(3), someIds(5).reverse()].map((ids) => Array.from(ids))
  for (const options of [
    { maxTokens: 9, ignoreEos: true },
    { maxTokens: 9, ignoreEos: true, temperature: 1, topK: 20, repetitionPenalty: 1.2, seed: 4 },
  ]) {
    const found: number[][] = [[], [], []]
    for await (const { sequence, token } of generateAll(model, prompts, options)) found[sequence]!.push(token)
    for (const [i, prompt] of prompts.entries()) {
      const alone: number[] = []
      for await (const token of generate(model, prompt, options)) alone.push(token)
      expect(found[i], `prompt ${i}`).toEqual(alone)
    }
  }
})

test('prompts of similar lengths go side by side, and each gives what it gives alone', async () => {
  const model = await openMixed()
  const prompts = [5, 3, 9, 4, 20].map((length, i) => Array.from(someIds(length, i + 1)))
  for (const options of [
    { maxTokens: 4, ignoreEos: true },
    { maxTokens: 4, ignoreEos: true, temperature: 1, topK: 20, repetitionPenalty: 1.2, seed: 4 },
  ]) {
    const found = prompts.map((): number[] => [])
    const order: number[] = []
    for await (const { sequence, token } of generateAll(model, prompts, { ...options, mostApart: 6, batch: 3 })) {
      found[sequence]!.push(token)
      order.push(sequence)
    }
    for (const [i, prompt] of prompts.entries()) {
      const alone: number[] = []
      for await (const token of generate(model, prompt, options)) alone.push(token)
      expect(found[i], `prompt ${i}`).toEqual(alone)
    }
    // The first three together, the shortest first; the fourth finds no place, and the last is too long to share one.
    expect(order.join('')).toBe('11010100222233334444')
  }
})

test('a sequence that is over says nothing more, and the others go on', async () => {
  const model = await openMixed()
  const prompts = [prompt, prompt]
  const found: number[][] = [[], []]
  const isOver = (tokens: readonly number[], sequence: number) => sequence === 1 && tokens.length === 2
  for await (const { sequence, token } of generateAll(model, prompts, { maxTokens: 6, ignoreEos: true, isOver }))
    found[sequence]!.push(token)
  expect(found.map(({ length }) => length)).toEqual([6, 2])
  expect(found[1]).toEqual(found[0]!.slice(0, 2))
})
