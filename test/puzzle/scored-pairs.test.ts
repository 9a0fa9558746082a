import { expect, test } from 'vitest'
import type { Space } from '../../puzzle/inputs.js'
import type { DistillParams } from '../../puzzle/curriculum.js'
import { pairsOf } from '../../puzzle/scored-pairs.js'
import { openTiny } from '../model/tiny.js'
import { fakeLibrary } from '../stages/fakes.js'

const model = await openTiny()
const space: Space = {
  attention: ['parent', { block: 'linear' }, { block: 'grouped-query', kvHeads: [1] }, 'no-op'],
  ffn: [{ block: 'swiglu', width: [16, 8] }, 'no-op'],
}

/** What is scored at layer 1: `slot attention ffn`, the entries without their layer. */
function scored(wanted: number | 'all', distill: Partial<DistillParams> = {}, own = space, seed = 1): string[] {
  const library = new Map(fakeLibrary(model, own, distill).map((entry) => [entry.id, entry]))
  const short = (id: string) => id.replace(/^layer01\/(attention|ffn)\//, '')
  return pairsOf(model, own, library, 1, wanted, seed).map(
    ({ slot, attention, ffn }) => `${slot} ${short(attention.id)} ${short(ffn.id)}`,
  )
}
const singles = [
  'attention linear parent',
  'attention grouped-query-1 parent',
  'attention no-op parent',
  'ffn parent swiglu-16',
  'ffn parent swiglu-8',
  'ffn parent no-op',
]

test('every variant is scored beside the parent’s other slot, and every removal with what was trained beside it', () => {
  expect(scored(0)).toEqual([
    ...singles,
    'block parent+no-op no-op',
    'block linear+no-op no-op',
    'block grouped-query-1+no-op no-op',
    'block no-op parent+no-op',
    'block no-op swiglu-16+no-op',
    'block no-op swiglu-8+no-op',
    'block no-op no-op',
  ])
})

test('what was not trained beside a removed slot is scored as it is', () => {
  expect(scored(0, { besideNoOp: 'none' })).toEqual([
    ...singles,
    'block linear no-op',
    'block grouped-query-1 no-op',
    'block no-op swiglu-16',
    'block no-op swiglu-8',
    'block no-op no-op',
  ])
})

test('pairs that were trained together are scored together', () => {
  const coupled = [{ attention: 'linear', ffn: 'swiglu-8', layers: [1] }]
  expect(scored(0, { coupled })).toContain('block linear+swiglu-8 swiglu-8+linear')
  expect(scored(0, { coupled: [{ ...coupled[0]!, layers: [0] }] })).toEqual(scored(0))
})

test('the parent’s own layer is no pair: there is nothing to score', () => {
  for (const wanted of [0, 'all'] as const)
    for (const besideNoOp of ['all', 'none'] as const)
      expect(scored(wanted, { besideNoOp })).not.toContain('block parent parent')
})

test('pairs: all scores every pair of changed slots once', () => {
  const more = scored('all').filter((pair) => !scored(0).includes(pair))
  expect(more.sort()).toEqual([
    'block grouped-query-1 swiglu-16',
    'block grouped-query-1 swiglu-8',
    'block linear swiglu-16',
    'block linear swiglu-8',
  ])
  const coupled = [{ attention: 'linear', ffn: 'swiglu-8' }]
  expect(scored('all', { coupled }).filter((pair) => /linear.* swiglu-8/.test(pair))).toEqual([
    'block linear+swiglu-8 swiglu-8+linear',
  ])
})

test('as many pairs as wanted are sampled, others with another seed', () => {
  const sample = (seed: number) => scored(2, {}, space, seed).slice(scored(0).length)
  expect(sample(1)).toHaveLength(2)
  const samples = new Set([1, 2, 3, 4, 5].map((seed) => sample(seed).sort().join()))
  expect(samples.size).toBeGreaterThan(1)
})

test('sampled pairs stay when the space grows: only pairs of the new variants take places', () => {
  const grown = { ...space, ffn: [{ block: 'swiglu', width: [16, 32, 8, 24] }, 'no-op'] }
  const pairs = (own: Space, seed: number) => scored(2, {}, own, seed).slice(scored(0, {}, own).length)
  const isNew = (pair: string) => /swiglu-(24|32)/.test(pair)
  let kept = 0
  for (let seed = 1; seed <= 8; seed++) {
    const [before, after] = [pairs(space, seed), pairs(grown, seed)]
    const old = after.filter((pair) => !isNew(pair))
    expect(before).toEqual(expect.arrayContaining(old))
    expect(after.length).toBe(2)
    kept += old.length
  }
  expect(kept).toBeGreaterThan(0)
})
