import { expect, test } from 'vitest'
import { shortConvolution } from '../../examples/plugin-short-convolution/short-convolution.js'
import type { LayerFacts, Weight, Weights } from '../../api/index.js'
import { attentionMatrix } from '../../plugins/blocks/linear.js'
import { Graph, Session, tensor, type Tensor } from '../../tensor/index.js'
import { noise } from '../noise.js'

// A parent with 4 query heads, 2 KV heads of 3 channels and biases; all sizes differ.
const facts: LayerFacts = {
  layer: 1,
  layers: 3,
  hidden: 10,
  heads: 4,
  kvHeads: 2,
  headDim: 3,
  intermediate: 24,
  attentionBias: true,
  mlpBias: false,
  normEps: 1e-5,
}
const params = { kernel: 4 }
const batch = 2
const length = 9

function random(shape: readonly number[], seed: number): Weight {
  const next = noise(seed)
  return { shape, data: Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => next()) }
}
const randomWeights = (shapes: Readonly<Record<string, readonly number[]>>): Weights =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, random(shape, i + 1)]))

const x = random([batch, length, facts.hidden], 99).data

/** Runs tokens of `lengths` chunks one after another, with the state in between. @returns [batch, length, hidden] */
async function byChunks(weights: Weights, lengths: readonly number[]): Promise<Float32Array> {
  const { hidden } = facts
  const y = new Float32Array(batch * length * hidden)
  const [{ name, shape } = { name: '', shape: [] }] = shortConvolution.state!(facts, params)
  let state: Tensor | undefined
  let start = 0
  for (const own of lengths) {
    const g = new Graph()
    const values = Object.fromEntries(Object.entries(weights).map(([n, w]) => [n, g.constant(w.data, w.shape)]))
    const past = state && { [name]: g.input('past', 'float32', [batch, ...shape]) }
    const context = { facts, batch, length: own, wantState: true, ...(past && { past }) }
    const result = shortConvolution.forward(g, g.input('x', 'float32', [batch * own, hidden]), values, params, context)
    g.output('y', result.y)
    g.output('state', result.state![name]!)
    const session = await Session.create(g)
    const rows = (b: number, size: number) => (b * length + start) * hidden + size * hidden
    const chunk = Array.from({ length: batch }, (_, b) => [...x.subarray(rows(b, 0), rows(b, own))]).flat()
    const feeds = { x: tensor(chunk, [batch * own, hidden]), ...(state && { past: state }) }
    const results = await session.run(feeds)
    await session.release()
    state = results.state!
    expect(state.dims).toEqual([batch, ...shape])
    for (let b = 0; b < batch; b++)
      y.set((results.y!.data as Float32Array).subarray(b * own * hidden, (b + 1) * own * hidden), rows(b, 0))
    start += own
  }
  expect(start).toBe(length)
  return y
}

/** out(after(x) * sum over the last tokens of kernel * before(x) * x(x)), by loops. */
function reference(w: Weights): number[] {
  const affine = (row: readonly number[], name: string) => {
    const [rows, columns] = w[name]!.shape as [number, number]
    return Array.from({ length: columns }, (_, c) => {
      let sum = w[`${name}.bias`]?.data[c] ?? 0
      for (let r = 0; r < rows; r++) sum += row[r]! * w[name]!.data[r * columns + c]!
      return sum
    })
  }
  const all: number[] = []
  for (let b = 0; b < batch; b++) {
    const tokens = Array.from({ length }, (_, t) => [
      ...x.subarray((b * length + t) * facts.hidden, (b * length + t + 1) * facts.hidden),
    ])
    const gated = tokens.map((row) => {
      const gate = affine(row, 'before')
      return affine(row, 'x').map((value, c) => value * gate[c]!)
    })
    for (const [t, row] of tokens.entries()) {
      const mixed = affine(row, 'after').map((gate, c) => {
        let sum = 0
        for (let back = 0; back < params.kernel && back <= t; back++)
          sum += w.kernel!.data[(params.kernel - 1 - back) * gated[0]!.length + c]! * gated[t - back]![c]!
        return gate * sum
      })
      all.push(...affine(mixed, 'out'))
    }
  }
  return all
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

test('a short convolution is what loops over the last tokens compute', async () => {
  const weights = randomWeights(shortConvolution.shapes(facts, params))
  // Sums of ten products of numbers near 1, three times over, in float32.
  expect(largest(await byChunks(weights, [length]), reference(weights))).toBeLessThan(1e-4)
})

test.each([[[1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 1, 1, 1]], [[2, 3, 4]]])(
  'in chunks of %j tokens it is the same, though a chunk is shorter than the kernel',
  async (lengths) => {
    const weights = randomWeights(shortConvolution.shapes(facts, params))
    expect(largest(await byChunks(weights, lengths), await byChunks(weights, [length]))).toBeLessThan(1e-5)
  },
)

test('it begins as the product W_V W_O, which is what `linear` begins as', async () => {
  const channels = facts.kvHeads * facts.headDim
  const width = facts.heads * facts.headDim
  const { hidden } = facts
  const parent = randomWeights({ v: [hidden, channels], 'v.bias': [channels], o: [width, hidden], 'o.bias': [hidden] })
  const weights = await shortConvolution.initialise(parent, facts, params, {})
  const shapes = Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [name, shape]))
  expect(shapes).toEqual(shortConvolution.shapes(facts, params))
  const { weight, bias } = await attentionMatrix.initialise(parent, facts, {}, {})
  const linear = Array.from({ length: batch * length }, (_, row) =>
    Array.from({ length: hidden }, (_, c) => {
      let sum = bias!.data[c]!
      for (let r = 0; r < hidden; r++) sum += x[row * hidden + r]! * weight!.data[r * hidden + c]!
      return sum
    }),
  ).flat()
  expect(largest(await byChunks(weights, [length]), linear)).toBeLessThan(1e-4)
})

test('a kernel of one token, or of very many, is refused with a remedy', () => {
  const variants = (kernel?: number | number[]) => [
    ...(shortConvolution.variants(facts, kernel === undefined ? {} : { kernel }) as Iterable<object>),
  ]
  expect(variants()).toEqual([{ kernel: 3 }])
  expect(variants([4, 3, 4])).toEqual([{ kernel: 4 }, { kernel: 3 }])
  expect(() => variants(1)).toThrow('a kernel of 1 is not a short convolution')
  expect(() => variants([3, 17])).toThrow('a kernel of 17 is not a short convolution')
})
