import { expect, test } from 'vitest'
import type { LayerFacts, Weight, Weights } from '../../api/index.js'
import { groupedQuery } from '../../plugins/blocks/grouped-query.js'
import { attentionMatrix, ffnMatrix } from '../../plugins/blocks/linear.js'
import { swiglu } from '../../plugins/blocks/swiglu.js'
import { facts as wide, numbers, rows } from './cases.js'
import { attention, gatedFfn, matrix, type Matrices } from './reference.js'

/** An integer, never -0. */
const rounded = (value: number) => Math.round(4 * value) + 0

/** Small integers, whose sums and products are exact in float32. */
function integers(shape: readonly number[], seed: number): Weight {
  const size = shape.reduce((n, d) => n * d, 1)
  return { shape, data: Float32Array.from(numbers(size, seed), rounded) }
}

const weightsOf = (shapes: Readonly<Record<string, readonly number[]>>): Weights =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, integers(shape, i + 1)]))

const matrices = (weights: Weights): Matrices =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, rows(Float64Array.from(data), shape.at(-1)!)]),
  )

const variants = [
  { facts: wide, bias: 'without biases' },
  { facts: { ...wide, attentionBias: true, mlpBias: true }, bias: 'with biases' },
] as const
const parentAttention = (facts: LayerFacts) => weightsOf(groupedQuery.shapes(facts, { kvHeads: facts.kvHeads }))
const parentFfn = (facts: LayerFacts) => weightsOf(swiglu.shapes(facts, { width: facts.intermediate }))

test.each([2, 1])('%i KV heads are the means of the parent’s heads that they replace', async (kvHeads) => {
  const facts = { ...wide, attentionBias: true }
  const { headDim } = facts
  const parent = parentAttention(facts)
  const child = await groupedQuery.initialise(parent, facts, { kvHeads }, {})
  const group = facts.kvHeads / kvHeads
  for (const name of ['k', 'v', 'k.bias', 'v.bias']) {
    const before = rows(Float64Array.from(parent[name]!.data), facts.kvHeads * headDim)
    const after = rows(Float64Array.from(child[name]!.data), kvHeads * headDim)
    const mean = (row: number[], column: number) => {
      const [head, i] = [Math.floor(column / headDim), column % headDim]
      const members = Array.from({ length: group }, (_, m) => row[(head * group + m) * headDim + i]!)
      return members.reduce((a, b) => a + b) / group
    }
    expect(after).toEqual(before.map((row) => after[0]!.map((_, column) => mean(row, column))))
  }
  for (const name of ['q', 'o', 'q.bias', 'o.bias']) expect(child[name]).toEqual(parent[name])
})

test('pooling equal heads changes neither the heads nor the output', async () => {
  const single = weightsOf(groupedQuery.shapes(wide, { kvHeads: 1 }))
  const repeat = ({ data }: Weight): Weight => {
    const repeated = rows(Float64Array.from(data), wide.headDim).flatMap((row) =>
      Array<number[]>(wide.kvHeads).fill(row),
    )
    return { shape: [wide.hidden, wide.kvHeads * wide.headDim], data: Float32Array.from(repeated.flat()) }
  }
  const parent = { ...single, k: repeat(single.k!), v: repeat(single.v!) }
  const child = await groupedQuery.initialise(parent, wide, { kvHeads: 1 }, {})
  expect(child).toEqual(single)
  const x = rows(numbers(4 * wide.hidden, 3), wide.hidden)
  expect(attention(x, matrices(child), 1, wide, true)).toEqual(attention(x, matrices(parent), wide.kvHeads, wide, true))
})

test('attention replaced by a matrix is W_V W_O', async () => {
  const facts = { ...wide, hidden: 2, heads: 2, kvHeads: 2, headDim: 2 }
  const parent = {
    v: { shape: [2, 4], data: Float32Array.of(1, 2, 0, 1, 3, 0, 1, 1) },
    o: { shape: [4, 2], data: Float32Array.of(1, 0, 0, 2, 1, 1, 5, 0) },
  }
  expect(await attentionMatrix.initialise(parent, facts, {}, {})).toEqual({
    weight: { shape: [2, 2], data: Float32Array.of(6, 4, 9, 1) },
  })
})

test('an FFN replaced by a matrix is W_up W_down', async () => {
  const parent = {
    gate: { shape: [2, 3], data: new Float32Array(6).fill(9) },
    up: { shape: [2, 3], data: Float32Array.of(1, 2, 0, 0, 1, 3) },
    down: { shape: [3, 2], data: Float32Array.of(1, 1, 2, 0, 0, 4) },
  }
  expect(await ffnMatrix.initialise(parent, { ...wide, hidden: 2, intermediate: 3 }, {}, {})).toEqual({
    weight: { shape: [2, 2], data: Float32Array.of(5, 1, 2, 12) },
  })
})

test.each(variants)(
  'attention replaced by a matrix gives the parent’s output for a single token, $bias',
  async ({ facts: base }) => {
    for (const kvHeads of [4, 2, 1]) {
      const facts = { ...base, kvHeads }
      const parent = parentAttention(facts)
      const child = await attentionMatrix.initialise(parent, facts, {}, {})
      const x = [Array.from(numbers(facts.hidden, 7), rounded)]
      expect(matrix(x, matrices(child))).toEqual(attention(x, matrices(parent), kvHeads, facts, true))
    }
  },
)

test.each(variants)(
  'an FFN replaced by a matrix gives the parent’s output for open gates, $bias',
  async ({ facts }) => {
    const parent = parentFfn(facts)
    const child = await ffnMatrix.initialise(parent, facts, {}, {})
    const x = rows(numbers(3 * facts.hidden, 8).map(rounded), facts.hidden)
    const { up, down, 'up.bias': upBias, 'down.bias': downBias } = matrices(parent)
    const step = (input: number[][], weight: Matrices[string], bias: Matrices[string] | undefined) =>
      matrix(input, { weight, ...(bias && { bias }) })
    expect(matrix(x, matrices(child))).toEqual(step(step(x, up!, upBias), down!, downBias))
  },
)

test('a narrower swiglu keeps exactly the channels that contribute most, in order', async () => {
  const facts = { ...wide, mlpBias: true }
  const parent = parentFfn(facts)
  const channelContribution = Float32Array.from(numbers(facts.intermediate, 4), Math.abs)
  const child = await swiglu.initialise(parent, facts, { width: 5 }, { channelContribution })
  const largest = [...channelContribution].sort((a, b) => b - a).slice(0, 5)
  const kept = [...channelContribution.keys()].filter((i) => largest.includes(channelContribution[i]!))
  const [before, after] = [matrices(parent), matrices(child)]
  for (const name of ['gate', 'up', 'gate.bias', 'up.bias'])
    expect(after[name]).toEqual(before[name]!.map((row) => kept.map((c) => row[c])))
  expect(after.down).toEqual(kept.map((c) => before.down![c]))
  expect(child['down.bias']).toEqual(parent['down.bias'])
})

test('of channels that contribute equally, the first ones are kept', async () => {
  const parent = parentFfn(wide)
  const channelContribution = new Float32Array(wide.intermediate).fill(1)
  const child = await swiglu.initialise(parent, wide, { width: 3 }, { channelContribution })
  expect(matrices(child).down).toEqual(matrices(parent).down!.slice(0, 3))
})

test('without statistics, the channels with the largest rows of W_down are kept', async () => {
  const parent = {
    gate: integers([2, 3], 1),
    up: integers([2, 3], 2),
    down: { shape: [3, 2], data: Float32Array.of(3, 0, 1, 1, 0, -4) },
  }
  const child = await swiglu.initialise(parent, { ...wide, hidden: 2, intermediate: 3 }, { width: 2 }, {})
  expect(child.down).toEqual({ shape: [2, 2], data: Float32Array.of(3, 0, 0, -4) })
})

test.each(variants)('a swiglu as wide as the parent has its weights and output, $bias', async ({ facts }) => {
  const parent = parentFfn(facts)
  const channelContribution = Float32Array.from(numbers(facts.intermediate, 4))
  const child = await swiglu.initialise(parent, facts, { width: facts.intermediate }, { channelContribution })
  expect(child).toEqual(parent)
  const x = rows(numbers(3 * facts.hidden, 8), facts.hidden)
  expect(gatedFfn(x, matrices(child))).toEqual(gatedFfn(x, matrices(parent)))
})
