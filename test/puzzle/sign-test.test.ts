import { expect, test } from 'vitest'
import { coinTail, fewestFor, medianInterval } from '../../puzzle/sign-test.js'
import { normal } from '../../tensor/random.js'

test('tails of tosses are those of the binomial distribution', () => {
  expect(coinTail(5, 6)).toBe(0)
  expect(coinTail(5, 5)).toBeCloseTo(1 / 32, 15)
  expect(coinTail(5, 4)).toBeCloseTo(6 / 32, 15)
  expect(coinTail(5, 0)).toBeCloseTo(1, 15)
  // Exact, by whole numbers: the sum of the binomial coefficients over 2^1000.
  expect(coinTail(1000, 550)).toBeCloseTo(0.0008652680424881588, 12)
})

test('an interval lies between the order statistics that the sign test allows', () => {
  const values = [9, 1, 8, 2, 7, 3, 6, 4, 5]
  // 9 of 9 on one side: 1/512; 8 or more: 10/512; 7 or more: 46/512.
  expect(medianInterval(values, 1 / 512)).toEqual({ low: 1, high: 9 })
  expect(medianInterval(values, 10 / 512)).toEqual({ low: 2, high: 8 })
  expect(medianInterval(values, 45 / 512)).toEqual({ low: 2, high: 8 })
  expect(medianInterval(values, 46 / 512)).toEqual({ low: 3, high: 7 })
})

test('too few values say nothing, and the fewest that do are known', () => {
  expect(medianInterval([1, 2, 3], 0.1)).toEqual({ low: -Infinity, high: Infinity })
  expect(fewestFor(0.1)).toBe(4)
  expect(medianInterval([1, 2, 3, 4], 0.1)).toEqual({ low: 1, high: 4 })
  expect(fewestFor(0.025)).toBe(6)
})

test('an interval misses the median no more often than it states, whatever the noise', () => {
  const error = 0.025
  const random = normal(3)
  let missed = 0
  for (let trial = 0; trial < 2000; trial++) {
    // Bursts that only ever add, in a third of the values: the median of x + burst is what counts.
    const values = Array.from({ length: 18 }, () => {
      const burst = random() > 0.43 ? Math.abs(random()) * 5 : 0
      return random() + burst
    })
    const { low, high } = medianInterval(values, error)
    if (low > trueMedian || high < trueMedian) missed++
  }
  // Two sides of 2.5 %, and four standard deviations of 2,000 trials.
  expect(missed / 2000).toBeLessThan(0.05 + 4 * Math.sqrt((0.05 * 0.95) / 2000))
})

/** Median of the mixture above, from a large sample. */
const trueMedian = (() => {
  const random = normal(4)
  const values = Array.from({ length: 100_001 }, () => {
    const burst = random() > 0.43 ? Math.abs(random()) * 5 : 0
    return random() + burst
  })
  return values.sort((a, b) => a - b)[50_000]!
})()
