import { describe, expect, test } from 'vitest'
import {
  dequantise,
  gradients,
  Graph,
  quantise,
  quantisedBytes,
  Session,
  tensor,
  type Bits,
} from '../../tensor/index.js'
import { noise } from '../noise.js'

const random = noise(3)
const matrix = (size: number) => Float32Array.from({ length: size }, () => random())

/** Sizes with several blocks of 32 inputs, one block and a part, and less than one block. */
const shapes: [inputs: number, outputs: number][] = [
  [64, 24],
  [40, 17],
  [24, 8],
]
const cases = shapes.flatMap((shape) => ([8, 4] as const).map((bits): [Bits, [number, number]] => [bits, shape]))

/** x w in float64, [rows, outputs]. */
function product(x: Float32Array, w: Float32Array, [inputs, outputs]: readonly [number, number]): number[] {
  return Array.from({ length: (x.length / inputs) * outputs }, (_, i) => {
    const [row, n] = [Math.floor(i / outputs), i % outputs]
    let sum = 0
    for (let k = 0; k < inputs; k++) sum += x[row * inputs + k]! * w[k * outputs + n]!
    return sum
  })
}

/** x w by onnxruntime's kernel for quantised matrices. */
async function kernel(x: Float32Array, w: Float32Array, shape: [number, number], bits: Bits): Promise<Float32Array> {
  const g = new Graph()
  const rows = x.length / shape[0]
  g.output('y', g.gemm(g.input('x', 'float32', [rows, shape[0]]), g.quantised(quantise(w, shape, bits))))
  const session = await Session.create(g)
  const { y } = await session.run({ x: tensor(x, [rows, shape[0]]) })
  await session.release()
  return y!.data as Float32Array
}

describe.each(cases)('a matrix of %i bits and shape %j', (bits, shape) => {
  const w = matrix(shape[0] * shape[1])
  const rounded = dequantise(quantise(w, shape, bits))

  test('rounding moves a weight by at most half a step, except where it is clipped at the highest level', () => {
    const half = 2 ** (bits - 1)
    for (let n = 0; n < shape[1]; n++)
      for (let first = 0; first < shape[0]; first += 32) {
        const at = Array.from({ length: Math.min(32, shape[0] - first) }, (_, k) => (first + k) * shape[1] + n)
        const step = Math.max(...at.map((i) => Math.abs(w[i]!))) / half
        for (const i of at) expect(Math.abs(rounded[i]! - w[i]!)).toBeLessThanOrEqual(step * 1.000001)
        const moved = at.filter((i) => Math.abs(rounded[i]! - w[i]!) > step * 0.500001)
        for (const i of moved) expect(Math.abs(w[i]!)).toBeGreaterThan((half - 0.5) * step * 0.999999)
      }
  })

  test('quantising again gives the same levels and scales', () => {
    expect(quantise(rounded, shape, bits)).toEqual(quantise(w, shape, bits))
  })

  test('quantising after a round trip through float16 gives the same levels', () => {
    const half = rounded.map((v) => {
      const spacing = 2 ** (Math.floor(Math.log2(Math.abs(v) || 1)) - 10)
      return Math.round(v / spacing) * spacing
    })
    expect(quantise(half, shape, bits).levels).toEqual(quantise(w, shape, bits).levels)
  })

  test('quantisedBytes counts the bytes of levels and scales', () => {
    const { levels, scales } = quantise(w, shape, bits)
    expect(quantisedBytes(shape, bits)).toBe(levels.byteLength + scales.byteLength)
  })

  test('the kernel multiplies by the rounded matrix, up to its rounding of activations to 8 bits', async () => {
    const x = matrix(5 * shape[0])
    const y = await kernel(x, w, shape, bits)
    const expected = product(x, rounded, shape)
    for (let row = 0; row < 5; row++)
      for (let n = 0; n < shape[1]; n++) {
        // Each activation is off by at most half a step of its block.
        let allowed = 1e-5
        for (let first = 0; first < shape[0]; first += 32) {
          const end = Math.min(first + 32, shape[0])
          const largest = x
            .subarray(row * shape[0] + first, row * shape[0] + end)
            .reduce((a, b) => Math.max(a, Math.abs(b)), 0)
          for (let k = first; k < end; k++) allowed += (0.51 * largest * Math.abs(rounded[k * shape[1] + n]!)) / 127
        }
        expect(Math.abs(y[row * shape[1] + n]! - expected[row * shape[1] + n]!)).toBeLessThan(allowed)
      }
  })

  test('the product of a row does not depend on the other rows', async () => {
    const x = matrix(16 * shape[0]).map((v, i) => (i < shape[0] ? v : 50 * v))
    const together = (await kernel(x, w, shape, bits)).slice(0, shape[1])
    const alone = await kernel(x.slice(0, shape[0]), w, shape, bits)
    for (const [n, v] of alone.entries()) expect(together[n]).toBeCloseTo(v, 5)
  })

  test('fakeQuantise gives the same values and passes the gradient through', async () => {
    const g = new Graph()
    const input = g.input('w', 'float32', shape)
    const y = g.fakeQuantise(input, bits)
    const weight = matrix(shape[0] * shape[1])
    g.output('y', y)
    g.output('dw', gradients(g.sum(g.mul(y, g.constant(weight, shape))), [input])[0]!)
    const session = await Session.create(g)
    const out = await session.run({ w: tensor(w, shape) })
    await session.release()
    expect(Array.from(out.y!.data as Float32Array, (v) => v + 0)).toEqual(Array.from(rounded))
    expect(out.dw!.data).toEqual(weight)
  })
})

test('a block of zeros stays zero', () => {
  const zeros = new Float32Array(64 * 2)
  expect(dequantise(quantise(zeros, [64, 2], 4))).toEqual(zeros)
})

test('matmul of a batch accepts a quantised matrix', async () => {
  const [x, w] = [matrix(2 * 3 * 32), matrix(32 * 8)]
  const g = new Graph()
  g.output('y', g.matmul(g.input('x', 'float32', [2, 3, 32]), g.quantised(quantise(w, [32, 8], 8))))
  const session = await Session.create(g)
  const { y } = await session.run({ x: tensor(x, [2, 3, 32]) })
  await session.release()
  expect(y!.dims).toEqual([2, 3, 8])
  expect(y!.data).toEqual(await kernel(x, w, [32, 8], 8))
})

test('other operators reject a quantised matrix', () => {
  const g = new Graph()
  const w = g.quantised(quantise(matrix(32 * 8), [32, 8], 8))
  const message = 'value: a quantised matrix can only be the second factor of gemm or matmul, not transposed'
  expect(() => g.transpose(w, [1, 0])).toThrow(message)
  expect(() => g.gemm(g.input('x', 'float32', [2, 8]), w, { transB: true })).toThrow(message)
})
