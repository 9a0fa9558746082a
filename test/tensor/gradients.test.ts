import { expect, test } from 'vitest'
import { Graph, gradients, Session, ShapeError, tensor, type Value } from '../../tensor/index.js'

/** Deterministic numbers in (-1, 1), away from 0. */
const numbers = (n: number, seed: number) =>
  Array.from({ length: n }, (_, i) => {
    const x = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453
    const u = x - Math.floor(x)
    return (u < 0.5 ? -1 : 1) * (0.1 + 0.9 * Math.abs(2 * u - 1))
  })

type Case = { shapes: number[][]; build: (g: Graph, ...x: Value[]) => Value; positive?: boolean }
const index = (g: Graph, values: number[], shape: number[]) => g.constant(values, shape, 'int64')

/** Options of heads that compute their losses in chunks. */
type HeadOptions = { chunk?: number; softcap?: number }
const crossEntropyHead = (options?: HeadOptions): Case => ({
  shapes: [
    [5, 3],
    [4, 3],
  ],
  build: (g, h, w) =>
    g.crossEntropyHead(h, w, index(g, [0, 3, 1, 1, 2], [5]), g.constant([1, 0.1, 1, 0, 2], [5], 'float64'), options),
})
const klHead = (options: HeadOptions): Case => ({
  shapes: [[5, 3]],
  build: (g, child) =>
    g.klHead(
      g.constant(Float64Array.from(numbers(15, 9)), [5, 3], 'float64'),
      child,
      g.constant(Float64Array.from(numbers(12, 8)), [4, 3], 'float64'),
      g.constant([1, 0.5, 1, 0, 2], [5], 'float64'),
      options,
    ),
})

const cases: Record<string, Case> = {
  'add with broadcasting': { shapes: [[2, 3], [3]], build: (g, a, b) => g.add(a, b) },
  sub: {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: (g, a, b) => g.sub(a, b),
  },
  'mul with broadcasting': {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: (g, a, b) => g.mul(a, b),
  },
  div: { shapes: [[2, 3], [3]], build: (g, a, b) => g.div(a, b) },
  maximum: {
    shapes: [
      [2, 3],
      [2, 3],
    ],
    build: (g, a, b) => g.maximum(a, b),
  },
  where: {
    shapes: [
      [2, 3],
      [2, 3],
    ],
    build: (g, a, b) => g.where(g.less(a, b), g.mul(a, b), b),
  },
  neg: { shapes: [[4]], build: (g, x) => g.neg(x) },
  exp: { shapes: [[4]], build: (g, x) => g.exp(x) },
  log: { shapes: [[4]], build: (g, x) => g.log(x), positive: true },
  sqrt: { shapes: [[4]], build: (g, x) => g.sqrt(x), positive: true },
  square: { shapes: [[4]], build: (g, x) => g.square(x) },
  abs: { shapes: [[4]], build: (g, x) => g.abs(x) },
  sigmoid: { shapes: [[4]], build: (g, x) => g.sigmoid(x) },
  silu: { shapes: [[4]], build: (g, x) => g.silu(x) },
  tanh: { shapes: [[4]], build: (g, x) => g.tanh(x) },
  softcap: { shapes: [[4]], build: (g, x) => g.softcap(x, 0.7) },
  geluTanh: { shapes: [[4]], build: (g, x) => g.geluTanh(x) },
  relu: { shapes: [[4]], build: (g, x) => g.relu(x) },
  softplus: { shapes: [[4]], build: (g, x) => g.softplus(x) },
  pow: { shapes: [[4]], build: (g, x) => g.pow(x, 3) },
  softmax: { shapes: [[2, 4]], build: (g, x) => g.softmax(x) },
  'softmax over the first axis': { shapes: [[3, 2]], build: (g, x) => g.softmax(x, 0) },
  logSoftmax: { shapes: [[2, 4]], build: (g, x) => g.logSoftmax(x) },
  'sum over an axis': { shapes: [[2, 3, 2]], build: (g, x) => g.sum(x, [1]) },
  'mean over axes, kept': { shapes: [[2, 3, 2]], build: (g, x) => g.mean(x, [0, 2], true) },
  max: { shapes: [[2, 4]], build: (g, x) => g.max(x, [1]) },
  cumsum: { shapes: [[2, 4]], build: (g, x) => g.cumsum(x, 1) },
  reshape: { shapes: [[2, 6]], build: (g, x) => g.reshape(x, [3, 4]) },
  transpose: { shapes: [[2, 3, 2]], build: (g, x) => g.transpose(x, [2, 0, 1]) },
  slice: { shapes: [[2, 5]], build: (g, x) => g.slice(x, 1, 1, 4) },
  split: { shapes: [[2, 5]], build: (g, x) => g.mul(...(g.split(x, 1, [2, 2, 1]).slice(0, 2) as [Value, Value])) },
  concat: {
    shapes: [
      [2, 2],
      [2, 3],
    ],
    build: (g, a, b) => g.concat([a, b, a], 1),
  },
  expand: { shapes: [[2, 1]], build: (g, x) => g.expand(x, [3, 2, 4]) },
  squeeze: { shapes: [[2, 1, 2]], build: (g, x) => g.squeeze(x, 1) },
  unsqueeze: { shapes: [[2, 2]], build: (g, x) => g.unsqueeze(x, -1) },
  'gather of rows, one of them twice': { shapes: [[4, 3]], build: (g, x) => g.gather(x, index(g, [2, 0, 2], [3])) },
  'gather along another axis': { shapes: [[3, 4]], build: (g, x) => g.gather(x, index(g, [3, 1, 1, 0], [2, 2]), 1) },
  'gather of one row': { shapes: [[4, 3]], build: (g, x) => g.gather(x, index(g, [1], [])) },
  gatherElements: { shapes: [[2, 4]], build: (g, x) => g.gatherElements(x, index(g, [1, 3, 0, 0], [2, 2]), 1) },
  topk: { shapes: [[2, 5]], build: (g, x) => g.topk(x, 2).values },
  'rmsNorm with respect to input and weight': { shapes: [[3, 4], [4]], build: (g, x, w) => g.rmsNorm(x, w, 1e-5) },
  'matmul of matrices': {
    shapes: [
      [2, 3],
      [3, 4],
    ],
    build: (g, a, b) => g.matmul(a, b),
  },
  'matmul of batches': {
    shapes: [
      [2, 2, 3],
      [2, 3, 2],
    ],
    build: (g, a, b) => g.matmul(a, b),
  },
  'matmul with a broadcast batch': {
    shapes: [
      [2, 2, 3],
      [1, 3, 2],
    ],
    build: (g, a, b) => g.matmul(a, b),
  },
  'matmul of a batch by a matrix': {
    shapes: [
      [2, 2, 3],
      [3, 2],
    ],
    build: (g, a, b) => g.matmul(a, b),
  },
  'gemm, first transposed': {
    shapes: [
      [3, 2],
      [3, 4],
    ],
    build: (g, a, b) => g.gemm(a, b, { transA: true }),
  },
  'gemm, second transposed': {
    shapes: [
      [2, 3],
      [4, 3],
    ],
    build: (g, a, b) => g.gemm(a, b, { transB: true }),
  },
  'gemm, both transposed': {
    shapes: [
      [3, 2],
      [4, 3],
    ],
    build: (g, a, b) => g.gemm(a, b, { transA: true, transB: true }),
  },
  'scan with captured weights': {
    shapes: [
      [2, 2],
      [3, 2, 2],
      [2, 2],
    ],
    build: (g, carried, sequence, w) => {
      const { carried: last, outputs } = g.scan({
        carried: [carried],
        sequences: [sequence],
        body: ([c], [s]) => {
          const next = g.tanh(g.add(g.matmul(c!, w), s!))
          return { carried: [next], outputs: [g.mul(next, s!)] }
        },
      })
      return g.concat([g.reshape(last[0]!, [1, 2, 2]), outputs[0]!], 0)
    },
  },
  'crossEntropyHead in one chunk': crossEntropyHead(),
  'crossEntropyHead in chunks that do not divide the rows': crossEntropyHead({ chunk: 2 }),
  'crossEntropyHead with a softcap': crossEntropyHead({ softcap: 0.8 }),
  'klHead with a softcap': klHead({ chunk: 2, softcap: 0.8 }),
  'klHead for the child in chunks': klHead({ chunk: 2 }),
}

test.each(Object.entries(cases))('the gradient of %s agrees with finite differences', async (_, c) => {
  const g = new Graph()
  const inputs = c.shapes.map((shape, i) => g.input(`x${i}`, 'float64', shape))
  const y = c.build(g, ...inputs)
  const size = y.shape.reduce<number>((n, d) => n * Number(d), 1)
  const loss = g.sum(g.mul(y, g.constant(Float64Array.from(numbers(size, 99)), y.shape, 'float64')))
  g.output('loss', loss)
  gradients(loss, inputs).forEach((d, i) => g.output(`d${i}`, d))
  const session = await Session.create(g, { optimisation: 'disabled' })
  const data = c.shapes.map((shape, i) => {
    const values = numbers(
      shape.reduce((n, d) => n * d, 1),
      i + 1,
    )
    return c.positive ? values.map((v) => Math.abs(v) + 0.5) : values
  })
  const run = async () => {
    const feeds = Object.fromEntries(data.map((d, i) => [`x${i}`, tensor(d, c.shapes[i]!, 'float64')]))
    return session.run(feeds)
  }
  const analytic = await run()
  const h = 1e-5
  for (const [i, values] of data.entries())
    for (let j = 0; j < values.length; j++) {
      const x = values[j]!
      values[j] = x + h
      const up = Number((await run()).loss!.data[0])
      values[j] = x - h
      const down = Number((await run()).loss!.data[0])
      values[j] = x
      expect(Number(analytic[`d${i}`]!.data[j])).toBeCloseTo((up - down) / (2 * h), 6)
    }
  await session.release()
})

test('stopGradient blocks the gradient, and inputs that the loss does not depend on get zeros', async () => {
  const g = new Graph()
  const [x, z] = [g.input('x', 'float32', [2]), g.input('z', 'float32', [2])]
  const loss = g.sum(g.add(g.mul(x, g.stopGradient(x)), g.stopGradient(z)))
  gradients(loss, [x, z]).forEach((d, i) => g.output(`d${i}`, d))
  const session = await Session.create(g)
  const out = await session.run({ x: tensor([3, 4], [2]), z: tensor([1, 1], [2]) })
  expect(Array.from(out.d0!.data as Float32Array)).toEqual([3, 4])
  expect(Array.from(out.d1!.data as Float32Array)).toEqual([0, 0])
})

test('building a graph rejects shapes that do not fit and names the operator and both shapes', () => {
  const g = new Graph()
  const a = g.input('a', 'float32', [8, 128])
  const b = g.input('b', 'float32', [64, 32])
  expect(() => g.matmul(a, b)).toThrow(new ShapeError('matmul', '[8, 128] x [64, 32]: inner sizes 128 and 64 differ'))
  expect(() => g.add(a, b)).toThrow('add: [8, 128] and [64, 32]: sizes 8 and 64 differ')
  expect(() => g.reshape(a, [3, 3])).toThrow('reshape: [8, 128] does not have as many elements as [3, 3]')
  expect(() => g.concat([a, b], 0)).toThrow('concat: [8, 128] and [64, 32]: sizes other than that of axis 0 differ')
})
