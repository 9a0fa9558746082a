import { expect, test } from 'vitest'
import { inverse, Matrix } from 'ml-matrix'
import { KernelRegression } from '../../puzzle/kernel-regression.js'
import { normal } from '../../tensor/random.js'

const gaussian = normal(3)
const places = Array.from({ length: 9 }, () => [gaussian(), gaussian()])
const values = places.map(() => gaussian())
const near = (a: readonly number[], b: readonly number[]) =>
  Math.exp(-a.reduce((sum, own, i) => sum + (own - b[i]!) ** 2, 0))
const kernel = (of: readonly number[][]) => of.map((a) => of.map((b) => near(a, b) + (a === b ? 0.01 : 0)))
const regression = new KernelRegression(kernel(places), values)
const at = [0.3, -0.2]
const covariances = places.map((own) => near(own, at))

test('mean and variance are those of the formulas, with the inverse of the covariances', () => {
  const inverted = inverse(new Matrix(kernel(places)))
  const row = Matrix.rowVector(covariances)
  expect(regression.mean(covariances)).toBeCloseTo(row.mmul(inverted).mmul(Matrix.columnVector(values)).get(0, 0), 10)
  expect(regression.variance(1, covariances)).toBeCloseTo(1 - row.mmul(inverted).mmul(row.transpose()).get(0, 0), 10)
})

test('the factor of the covariances is the one that makes the values most likely', () => {
  const likelihood = (factor: number) => {
    const scaled = new Matrix(kernel(places)).mul(factor)
    const y = Matrix.columnVector(values)
    const fit = y.transpose().mmul(inverse(scaled)).mmul(y).get(0, 0)
    return -0.5 * (fit + values.length * Math.log(factor))
  }
  const best = regression.scale
  expect(likelihood(best)).toBeGreaterThan(likelihood(best * 1.05))
  expect(likelihood(best)).toBeGreaterThan(likelihood(best / 1.05))
})
