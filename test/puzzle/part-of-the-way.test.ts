import { expect, test } from 'vitest'
import { bounds, partOfTheWay, type Yard } from '../../puzzle/limits.js'
import type { Limit } from '../../puzzle/limit.js'

// The parent: 4 seconds for 2 x 8 tokens, 4 tokens a second; 100 bytes, 10 of them outside its slots.
const yard: Yard = {
  parent: { prefillSeconds: 1, decodeSeconds: 3, memoryBytes: 100, parameters: 50 },
  floor: { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 10, parameters: 5 },
  scenario: { batch: 2, prefill: 4, generate: 8 },
}
const aim = (limit: Limit, share: number) => bounds([limit], [yard], partOfTheWay([limit], [yard], share))[0]!.max

test.each<[string, Limit, number, number]>([
  // From 4 seconds to 2, half of what is to be saved is 1.
  ['seconds', { name: 'throughput', bound: 'min', value: 2, unit: 'parent' }, 0.5, 3],
  ['seconds of an absolute limit', { name: 'throughput', bound: 'min', value: 8, unit: 'tokens/s' }, 0.25, 3.5],
  ['bytes', { name: 'memory', bound: 'max', value: 0.6, unit: 'parent' }, 0.5, 80 - 10],
  ['seconds per token', { name: 'tokenLatency', bound: 'max', value: 0.5, unit: 'parent' }, 0.5, 2.25],
  ['all of the way', { name: 'memory', bound: 'max', value: 0.6, unit: 'parent' }, 1, 60 - 10],
])('part of the way to a limit is part of the %s that it saves', (_, limit, share, max) => {
  expect(aim(limit, share)).toBeCloseTo(max, 10)
})

test('a limit that the parent meets stays as it is', () => {
  for (const limit of [
    { name: 'throughput', bound: 'min', value: 0.5, unit: 'parent' },
    { name: 'memory', bound: 'max', value: 200, unit: 'bytes' },
  ] as const)
    expect(aim(limit, 0.5)).toBe(bounds([limit], [yard])[0]!.max)
})
