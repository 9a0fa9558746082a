import { expect, test } from 'vitest'
import { leastSquares, NormalEquations } from '../../puzzle/least-squares.js'
import { noise } from '../noise.js'

const [rows, features, outputs] = [40, 6, 3]
const random = noise(5)
const numbers = (count: number) => Float32Array.from({ length: count }, random)
const a = numbers(rows * features)
const y = numbers(rows * outputs)
/** Every third token is padding. */
const weight = Float32Array.from({ length: rows }, (_, t) => (t % 3 === 2 ? 0 : 1))

/** Sum over real tokens of the squared error of A W, plus the penalty on W. */
function loss(w: Float32Array, ridge: number): number {
  let sum = w.reduce((total, value) => total + ridge * value ** 2, 0)
  for (let t = 0; t < rows; t++)
    for (let c = 0; c < outputs; c++) {
      let guess = 0
      for (let k = 0; k < features; k++) guess += a[t * features + k]! * w[k * outputs + c]!
      sum += weight[t]! * (guess - y[t * outputs + c]!) ** 2
    }
  return sum
}

async function equations(): Promise<NormalEquations> {
  const half = rows / 2
  const own = await NormalEquations.create(half, features, outputs, 1)
  for (const n of [0, 1]) {
    const part = (data: Float32Array, width: number) => data.subarray(n * half * width, (n + 1) * half * width)
    await own.add(part(a, features), part(y, outputs), part(weight, 1))
  }
  await own.release()
  return own
}

test('no weights have a smaller penalised error on the real tokens', async () => {
  const own = await equations()
  const w = leastSquares(own)
  const trace = Array.from({ length: features }, (_, i) => own.gram[i * features + i]!).reduce((n, v) => n + v, 0)
  const ridge = (1e-3 * trace) / features
  const best = loss(w, ridge)
  for (let i = 0; i < w.length; i++)
    for (const step of [-0.01, 0.01]) {
      const other = w.slice()
      other[i]! += step
      expect(loss(other, ridge)).toBeGreaterThan(best)
    }
  expect(best).toBeLessThan(loss(new Float32Array(w.length), ridge))
})

test('weights that are there are found', async () => {
  const own = await NormalEquations.create(rows, features, outputs, 1)
  const truth = numbers(features * outputs)
  const exact = new Float32Array(rows * outputs)
  for (let t = 0; t < rows; t++)
    for (let c = 0; c < outputs; c++)
      for (let k = 0; k < features; k++) exact[t * outputs + c]! += a[t * features + k]! * truth[k * outputs + c]!
  await own.add(a, exact, weight)
  await own.release()
  leastSquares(own).forEach((value, i) => expect(Math.abs(value - truth[i]!)).toBeLessThan(0.01))
})

test('dead features get no weight, and all of them dead none at all', async () => {
  const own = await NormalEquations.create(rows, features, outputs, 1)
  await own.add(
    a.map((value, i) => (i % features === 2 ? 0 : value)),
    y,
    weight,
  )
  await own.release()
  expect(Array.from(leastSquares(own).subarray(2 * outputs, 3 * outputs))).toEqual([0, 0, 0])
  const dead = { gram: new Float64Array(4), moment: new Float64Array(2), features: 2, outputs: 1 }
  expect(Array.from(leastSquares(dead))).toEqual([0, 0])
})
