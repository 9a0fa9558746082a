import { expect, test } from 'vitest'
import type { Space } from '../../puzzle/inputs.js'
import { lessons, type DistillParams } from '../../puzzle/curriculum.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { openTiny } from '../model/tiny.js'

const model = await openTiny()
const space: Space = {
  attention: ['parent', { block: 'linear' }, 'no-op'],
  ffn: [{ block: 'swiglu', width: [16, 8] }, 'no-op'],
}
const defaults: DistillParams = {
  tokens: 1000,
  batch: 8,
  learningRate: 0.002,
  weightDecay: 0.01,
  mode: 'decoupled',
  training: 'gradient',
  coupled: [],
  besideNoOp: 'all',
}

/** What is to be learned at a layer: `slot:variant` of the pupils, and what is beside them. */
const planned = (params: Partial<DistillParams> = {}, own: Space = space, layer = 1) =>
  lessons(model, own, { ...defaults, ...params }, makeRuns())
    .filter((lesson) => lesson.layer === layer)
    .map(({ train, beside }) => `${train.map(({ slot, variant }) => `${slot}:${variant}`).join(' ')} / ${beside}`)

test('every variant learns beside the parent, and again beside a removed other slot; the parent only beside that', () => {
  expect(planned()).toEqual([
    'attention:parent / no-op',
    'attention:linear / parent',
    'attention:linear / no-op',
    'ffn:parent / no-op',
    'ffn:swiglu-16 / parent',
    'ffn:swiglu-16 / no-op',
    'ffn:swiglu-8 / parent',
    'ffn:swiglu-8 / no-op',
  ])
})

test('layers have the same lessons', () => {
  expect(planned({}, space, 0)).toEqual(planned({}, space, 2))
  expect(planned({}, space, 3)).toEqual([])
})

test('besideNoOp parent: only the parent learns beside a removed slot', () => {
  expect(planned({ besideNoOp: 'parent' })).toEqual([
    'attention:parent / no-op',
    'attention:linear / parent',
    'ffn:parent / no-op',
    'ffn:swiglu-16 / parent',
    'ffn:swiglu-8 / parent',
  ])
})

test('besideNoOp none: nothing learns beside a removed slot', () => {
  expect(planned({ besideNoOp: 'none' })).toEqual([
    'attention:linear / parent',
    'ffn:swiglu-16 / parent',
    'ffn:swiglu-8 / parent',
  ])
})

test('a slot that the space never removes is no neighbour', () => {
  expect(planned({}, { ...space, attention: [{ block: 'linear' }] })).toEqual([
    'attention:parent / no-op',
    'attention:linear / parent',
    'attention:linear / no-op',
    'ffn:swiglu-16 / parent',
    'ffn:swiglu-8 / parent',
  ])
})

test('mode coupled: every pair of changed slots learns together as well', () => {
  const alone = planned()
  expect(planned({ mode: 'coupled' })).toEqual([
    ...alone,
    'attention:linear ffn:swiglu-16 / parent',
    'attention:linear ffn:swiglu-8 / parent',
  ])
})

test('pairs that are asked for learn together, in the layers that are asked for', () => {
  const coupled = [
    { attention: 'linear', ffn: 'swiglu-8', layers: [1, 2] },
    { attention: 'linear', ffn: 'swiglu-16', layers: [0] },
  ]
  const together = (layer: number) => planned({ coupled }, space, layer).filter((lesson) => lesson.includes(' ffn:'))
  expect([0, 1, 2].map(together)).toEqual([
    ['attention:linear ffn:swiglu-16 / parent'],
    ['attention:linear ffn:swiglu-8 / parent'],
    ['attention:linear ffn:swiglu-8 / parent'],
  ])
  expect(planned({ coupled: [{ attention: 'linear', ffn: 'swiglu-8' }] }, space, 0)).toContain(
    'attention:linear ffn:swiglu-8 / parent',
  )
})

test('a pair that is asked for twice is one', () => {
  const pair = { attention: 'linear', ffn: 'swiglu-8' }
  expect(planned({ coupled: [pair, { ...pair, layers: [1] }] })).toHaveLength(planned().length + 1)
})

test.each([
  [{ attention: 'linear', ffn: 'swiglu-9' }, 'in any layer'],
  [{ attention: 'parent', ffn: 'swiglu-8' }, 'in any layer'],
  [{ attention: 'linear', ffn: 'no-op' }, 'in any layer'],
  [{ attention: 'linear', ffn: 'swiglu-8', layers: [3] }, 'in layer 3'],
  [{ attention: 'linear', ffn: 'swiglu-8', layers: [1, 7, 9] }, 'in layers 7, 9'],
])('a pair that is not there is refused with the names that are: %j', (pair, where) => {
  expect(() => lessons(model, space, { ...defaults, coupled: [pair] }, makeRuns())).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      message: `distill.coupled: there is no pair ${pair.attention} and ${pair.ffn} to train ${where}`,
      remedy: 'Attention: linear. FFN: swiglu-16, swiglu-8. Layers: 0 to 2.',
    }),
  )
})

test('entries of a pair are named after each other, those of lone lessons after what is beside them', () => {
  const coupled = [{ attention: 'linear', ffn: 'swiglu-8', layers: [2] }]
  const entries = lessons(model, space, { ...defaults, coupled }, makeRuns())
    .filter(({ layer }) => layer === 2)
    .flatMap(({ train }) => train.map(({ entry }) => entry))
  expect(entries).toEqual([
    'layer02/attention/parent+no-op',
    'layer02/attention/linear',
    'layer02/attention/linear+no-op',
    'layer02/ffn/parent+no-op',
    'layer02/ffn/swiglu-16',
    'layer02/ffn/swiglu-16+no-op',
    'layer02/ffn/swiglu-8',
    'layer02/ffn/swiglu-8+no-op',
    'layer02/attention/linear+swiglu-8',
    'layer02/ffn/swiglu-8+linear',
  ])
})
