import { expect, test } from 'vitest'
import { buildSlot } from '../../model/index.js'
import { makeBlocks, builtInBlocks } from '../../plugins/blocks/index.js'
import { Graph, gradients, type Tensor } from '../../tensor/index.js'
import { cases, facts, matrices, numbers, referenceOf, weightsOf } from './cases.js'
import { buildBlock, feedsOf, runOnce } from './graph.js'

const [batch, length] = [2, 5]
const x = numbers(batch * length * facts.hidden, 1)
const xTensor: Tensor = { dtype: 'float64', dims: [batch * length, facts.hidden], data: x }

test('there is a case for every built-in block type but the empty ones', () => {
  const tested = new Set(Object.values(cases).map(({ type }) => type))
  expect(builtInBlocks.filter((type) => !type.empty && !tested.has(type))).toEqual([])
})

test.each(Object.entries(cases))('the output of %s is that of plain arithmetic', async (_, c) => {
  const { g, result } = buildBlock(c, batch, length, false)
  expect(result.y.shape).toEqual([batch * length, facts.hidden])
  g.output('y', result.y)
  const { y } = await runOnce(g, { ...feedsOf(c, 0, length), x: xTensor })
  close(y!.data as Float64Array, referenceOf(c, x, batch, matrices(weightsOf(c))), 1e-12)
})

test.each(Object.entries(cases))('gradients of %s agree with finite differences of plain arithmetic', async (_, c) => {
  const seed = numbers(batch * length * facts.hidden, 99)
  const { g, x: input, weights, result } = buildBlock(c, batch, length, false)
  const loss = g.sum(g.mul(result.y, g.constant(seed, result.y.shape)))
  const names = Object.keys(weights)
  gradients(loss, [input, ...Object.values(weights)]).forEach((d, i) => g.output(['x', ...names][i]! + "'", d))
  const found = await runOnce(g, { ...feedsOf(c, 0, length), x: xTensor })

  const values = { x: { shape: [batch * length, facts.hidden], data: Float64Array.from(x) }, ...weightsOf(c) }
  const reference = () => {
    const { x: moved, ...own } = values
    return referenceOf(c, moved.data, batch, matrices(own)).reduce((sum, y, i) => sum + y * seed[i]!, 0)
  }
  const step = 1e-5
  for (const [name, { data }] of Object.entries(values)) {
    const expected = data.map((value, i) => {
      data[i] = value + step
      const up = reference()
      data[i] = value - step
      const down = reference()
      data[i] = value
      return (up - down) / (2 * step)
    })
    // Of central differences: step^2 times a third derivative, and rounding of 1e-16 / step.
    close(found[`${name}'`]!.data as Float64Array, expected, 1e-8)
  }
})

test('a token does not see what comes after it', async () => {
  for (const c of Object.values(cases)) {
    const { g, x: input, result } = buildBlock(c, 1, length, false)
    const early = g.slice(result.y, 0, 0, length - 2)
    gradients(g.sum(early), [input]).forEach((d) => g.output('dx', d))
    const feeds = { ...feedsOf(c, 0, length), x: { ...xTensor, dims: [length, facts.hidden], data: x.slice(0, 50) } }
    const dx = (await runOnce(g, feeds)).dx!.data as Float64Array
    expect(dx.subarray((length - 2) * facts.hidden).every((d) => d === 0)).toBe(true)
    expect(dx.subarray(0, facts.hidden).some((d) => d !== 0)).toBe(true)
  }
})

test.each(['attention', 'ffn'] as const)('a no-op for %s passes the residual stream on and adds no node', (slot) => {
  const g = new Graph()
  const input = g.input('x', 'float32', [3, facts.hidden])
  const before = g.bytes().length
  const context = { facts, batch: 1, length: 3, wantState: true }
  const { x: output, state } = buildSlot(g, input, slot, makeBlocks(), { block: 'no-op', params: {} }, {}, context)
  expect(output).toBe(input)
  expect(state).toEqual({})
  expect(g.bytes().length).toBe(before)
  expect(makeBlocks().get(slot, 'no-op').shapes(facts, {})).toEqual({})
})

/** All numbers within a tolerance of the largest. */
function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  const largest = Array.from(expected).reduce((a, b) => Math.max(a, Math.abs(b)), 0)
  const error = Array.from(expected).reduce((a, b, i) => Math.max(a, Math.abs(b - actual[i]!)), 0)
  expect(largest).toBeGreaterThan(0.01)
  expect(error / largest).toBeLessThanOrEqual(tolerance)
}
