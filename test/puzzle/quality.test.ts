import { expect, test } from 'vitest'
import type { Evaluation } from '../../puzzle/evaluation.js'
import {
  accuracyError,
  judgeQuality,
  qualityBounds,
  qualityShortfall,
  withQualityHeadroom,
  type QualityBound,
} from '../../puzzle/quality.js'

const scenario = { batch: 1, prefill: 1, generate: 1 }

test('a lone quantity bounds the accuracy; a map, what it names', () => {
  expect(qualityBounds({ scenario })).toEqual([])
  expect(qualityBounds({ scenario, quality: { value: 0.97 } })).toEqual([{ measure: 'accuracy', wanted: 0.97 }])
  expect(qualityBounds({ scenario, quality: { kl: { value: 0.05 }, accuracy: { value: 0.9 } } })).toEqual([
    { measure: 'accuracy', wanted: 0.9 },
    { measure: 'kl', wanted: 0.05 },
  ])
})

const bounds: readonly QualityBound[] = [
  { measure: 'accuracy', wanted: 0.9 },
  { measure: 'perplexity', wanted: 1.1 },
  { measure: 'kl', wanted: 0.05 },
]
const child = (accuracy: number | null, perplexity: number, kl: number) =>
  ({ parent: { perplexity: 10 }, child: { perplexity, kl }, ratios: { accuracy } }) as unknown as Evaluation

test('each bound is judged by itself, and the worst one counts', () => {
  const good = judgeQuality(bounds, child(0.9, 11, 0.05))
  expect(good.map(({ held }) => held)).toEqual([true, true, true])
  expect(qualityShortfall(good)).toBe(0)
  const poor = judgeQuality(bounds, child(0.89, 13.2, 0.06))
  expect(poor.map(({ held }) => held)).toEqual([false, false, false])
  // 20 % above the bounds on perplexity and KL, 1 % below that on accuracy.
  expect(qualityShortfall(poor)).toBeCloseTo(0.2)
  expect(judgeQuality(bounds, child(null, 10, 0)).map(({ held, value }) => [held, value])).toEqual([
    [false, null],
    [true, 1],
    [true, 0],
  ])
})

test('headroom makes bounds stricter, but asks no child to be better than its parent', () => {
  expect(withQualityHeadroom(bounds, 0.01).map(({ wanted }) => wanted)).toEqual([0.9 * 1.01, 1.1 * 0.99, 0.05 * 0.99])
  const strict: readonly QualityBound[] = [
    { measure: 'accuracy', wanted: 1 },
    { measure: 'perplexity', wanted: 1 },
    { measure: 'perplexity', wanted: 0.9 },
  ]
  expect(withQualityHeadroom(strict, 0.01)).toEqual(strict)
})

test('a floor on accuracy is raised by an error, up to half the way to the parent', () => {
  const raised = (error: number) => withQualityHeadroom(bounds, 0.01, error).map(({ wanted }) => wanted)
  expect(raised(0.03)[0]).toBeCloseTo(0.93)
  expect(raised(0.2)[0]).toBeCloseTo(0.95)
  expect(raised(0.03).slice(1)).toEqual([1.1 * 0.99, 0.05 * 0.99])
})

test('the error of an accuracy is that of the mean over tasks, as a share of the parent’s accuracy', () => {
  const task = (stderr: number | null, metric = 'acc') => ({
    items: 100,
    differences: { [metric]: { value: 0, stderr }, perplexity: { value: 0, stderr: 9 } },
    outcomes: { metric, both: 1, neither: 0, parentOnly: 0, childOnly: 0, losses: [], wins: [] },
  })
  const measured = (paired: Evaluation['paired']) => ({ parent: { accuracy: 0.8 }, paired }) as unknown as Evaluation
  expect(accuracyError(measured({ a: task(0.03), b: task(0.04) }))).toBeCloseTo(0.05 / 2 / 0.8)
  // Without an error, or a metric from 0 to 1, a task says nothing.
  expect(accuracyError(measured({ a: task(null) }))).toBe(0)
  expect(accuracyError(measured({ a: { items: 3, differences: {} } }))).toBe(0)
  expect(accuracyError(measured(undefined))).toBe(0)
})
