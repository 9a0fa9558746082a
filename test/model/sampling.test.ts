import { describe, expect, test } from 'vitest'
import { sampler, type SamplingOptions } from '../../model/sampling.js'
import { uniform } from '../../tensor/random.js'

const logitsOf = (n: number, seed: number): Float32Array => {
  const random = uniform(seed)
  return Float32Array.from({ length: n }, () => 6 * random() - 3)
}

/** The plain way: all tokens with what they can be drawn with, filtered one after the other. */
function probabilities(logits: Float32Array, seen: readonly number[], options: SamplingOptions): number[] {
  const { temperature = 1, topK = Infinity, topP = 1, repetitionPenalty = 1 } = options
  const scores = Array.from(logits, (x, id) => {
    const penalised = x > 0 ? x / repetitionPenalty : x * repetitionPenalty
    return (seen.includes(id) ? Math.fround(penalised) : x) / temperature
  })
  const order = scores.map((_, id) => id).sort((a, b) => scores[b]! - scores[a]! || a - b)
  const kept = order.slice(0, topK)
  const softmax = (ids: readonly number[]) => {
    const exps = ids.map((id) => Math.exp(scores[id]! - scores[order[0]!]!))
    const sum = exps.reduce((a, b) => a + b)
    return exps.map((e) => e / sum)
  }
  let before = 0
  const p = softmax(kept)
  const nucleus = kept.filter((_, i) => {
    const keeps = i === 0 || before < topP
    before += p[i]!
    return keeps
  })
  const last = softmax(nucleus)
  return scores.map((_, id) => (nucleus.includes(id) ? last[nucleus.indexOf(id)]! : 0))
}

describe('tokens are drawn as often as their probability says', () => {
  test.each<[string, SamplingOptions]>([
    ['at a temperature', { temperature: 0.7 }],
    ['of the most likely ones', { temperature: 1, topK: 5 }],
    ['of the nucleus', { temperature: 1, topP: 0.6 }],
    ['of the most likely one alone', { temperature: 2, topP: 0.05 }],
    ['with a penalty for those that are there', { temperature: 1, repetitionPenalty: 1.8 }],
    ['with all of them', { temperature: 0.9, topK: 12, topP: 0.8, repetitionPenalty: 1.3 }],
  ])('%s', (_, options) => {
    const logits = logitsOf(40, 5)
    const seen = [3, 7, 7, 21]
    const expected = probabilities(logits, seen, options)
    const draw = sampler({ ...options, seed: 9 })
    const counts = new Array<number>(40).fill(0)
    const draws = 20_000
    for (let i = 0; i < draws; i++) counts[draw(logits, seen)]!++
    for (const [id, p] of expected.entries()) {
      if (p === 0) expect(counts[id], `token ${id}`).toBe(0)
      // Five standard deviations.
      else
        expect(Math.abs(counts[id]! / draws - p), `token ${id}`).toBeLessThanOrEqual(
          5 * Math.sqrt((p * (1 - p)) / draws),
        )
    }
  })
})

test('at temperature 0 it is the most likely token after the penalty, the lower id of equal ones', () => {
  const logits = Float32Array.of(1, 4, 4, -1)
  expect(sampler({})(logits, [])).toBe(1)
  expect(sampler({ repetitionPenalty: 1.5 })(logits, [1])).toBe(2)
  expect(sampler({ repetitionPenalty: 8 })(logits, [1, 2])).toBe(0)
  expect(logits).toEqual(Float32Array.of(1, 4, 4, -1))
})

test('of equal logits as many are kept as were asked for, the lower ids', () => {
  const draw = sampler({ temperature: 1, topK: 2 })
  const drawn = new Set(Array.from({ length: 200 }, () => draw(new Float32Array(100), [])))
  expect(drawn).toEqual(new Set([0, 1]))
})

test('a seed gives its tokens again', () => {
  const logits = logitsOf(1000, 1)
  const ten = (seed: number) => {
    const draw = sampler({ temperature: 1, topP: 0.9, seed })
    return Array.from({ length: 10 }, () => draw(logits, []))
  }
  expect(ten(4)).toEqual(ten(4))
  expect(ten(4)).not.toEqual(ten(5))
})
