import { expect, test } from 'vitest'
import { buildSlot } from '../../model/index.js'
import { makeBlocks, builtInBlocks } from '../../plugins/blocks/index.js'
import { Graph, type Tensor } from '../../tensor/index.js'
import { cases, facts, matrices, numbers, referenceOf, weightsOf } from './cases.js'
import { buildBlock, feedsOf, runOnce } from './graph.js'

const [batch, length] = [2, 5]
const x = numbers(batch * length * facts.hidden, 1)
const xTensor: Tensor = { dtype: 'float64', dims: [batch * length, facts.hidden], data: x }

test('every built-in block type except the empty ones has a case', () => {
  const tested = new Set(Object.values(cases).map(({ type }) => type))
  expect(builtInBlocks.filter((type) => !type.empty && !tested.has(type))).toEqual([])
})

test.each(Object.entries(cases))('the output of %s agrees with plain arithmetic', async (_, c) => {
  const { g, result } = buildBlock(c, batch, length)
  expect(result.y.shape).toEqual([batch * length, facts.hidden])
  g.output('y', result.y)
  const { y } = await runOnce(g, { ...feedsOf(c, length), x: xTensor })
  close(y!.data as Float64Array, referenceOf(c, x, batch, matrices(weightsOf(c))), 1e-12)
})

test.each(['attention', 'ffn'] as const)(
  'a no-op for %s leaves the residual stream unchanged and adds no node',
  (slot) => {
    const g = new Graph()
    const input = g.input('x', 'float32', [3, facts.hidden])
    const before = g.bytes().length
    const context = { facts, batch: 1, length: 3, wantState: true }
    const { x: output, state } = buildSlot(g, input, slot, makeBlocks(), { block: 'no-op', params: {} }, {}, context)
    expect(output).toBe(input)
    expect(state).toEqual({})
    expect(g.bytes().length).toBe(before)
    expect(makeBlocks().get(slot, 'no-op').shapes(facts, {})).toEqual({})
  },
)

/** Expects all numbers to agree within a tolerance relative to the largest. */
function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  const largest = Array.from(expected).reduce((a, b) => Math.max(a, Math.abs(b)), 0)
  const error = Array.from(expected).reduce((a, b, i) => Math.max(a, Math.abs(b - actual[i]!)), 0)
  expect(largest).toBeGreaterThan(0.01)
  expect(error / largest).toBeLessThanOrEqual(tolerance)
}
