import { Graph, Session } from '../tensor/index.js'

/** Sums over tokens of the normal equations of A W = Y: A'A and A'Y. Products of a chunk in float32, their sums in float64. */
export class NormalEquations {
  /** A'A, [features, features]. */
  readonly gram: Float64Array
  /** A'Y, [features, outputs]. */
  readonly moment: Float64Array

  private constructor(
    private readonly session: Session,
    private readonly rows: number,
    readonly features: number,
    readonly outputs: number,
  ) {
    this.gram = new Float64Array(features * features)
    this.moment = new Float64Array(features * outputs)
  }

  /** @param rows  tokens of each chunk */
  static async create(rows: number, features: number, outputs: number, threads: number): Promise<NormalEquations> {
    const g = new Graph()
    const a = g.mul(g.input('a', 'float32', [rows, features]), g.input('weight', 'float32', [rows, 1]))
    g.output('gram', g.gemm(a, a, { transA: true }))
    g.output('moment', g.gemm(a, g.input('y', 'float32', [rows, outputs]), { transA: true }))
    return new NormalEquations(await Session.create(g, { threads }), rows, features, outputs)
  }

  /** Adds a chunk. @param weight  1 or 0 for each token */
  async add(a: Float32Array, y: Float32Array, weight: Float32Array): Promise<void> {
    const { rows, features, outputs } = this
    const out = await this.session.run({
      a: { dtype: 'float32', dims: [rows, features], data: a },
      y: { dtype: 'float32', dims: [rows, outputs], data: y },
      weight: { dtype: 'float32', dims: [rows, 1], data: weight },
    })
    ;(out.gram!.data as Float32Array).forEach((value, i) => (this.gram[i]! += value))
    ;(out.moment!.data as Float32Array).forEach((value, i) => (this.moment[i]! += value))
  }

  release(): Promise<void> {
    return this.session.release()
  }
}

/** Penalty on the weights, as a share of the mean of the diagonal of A'A: features that are nearly dead, or nearly alike, would
 *  get huge ones. */
const penalty = 1e-3

/** The W of least squares with a penalty (ridge regression), by Cholesky's decomposition in float64, [features, outputs]. */
export function leastSquares({
  gram,
  moment,
  features: n,
  outputs: m,
}: Pick<NormalEquations, 'gram' | 'moment' | 'features' | 'outputs'>): Float32Array {
  let trace = 0
  for (let i = 0; i < n; i++) trace += gram[i * n + i]!
  const ridge = trace > 0 ? (penalty * trace) / n : 1
  const lower = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = gram[i * n + j]! + (i === j ? ridge : 0)
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j]!
    }
  const w = Float64Array.from(moment)
  // L z = A'Y from the top, then L' W = z from the bottom.
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) for (let c = 0; c < m; c++) w[i * m + c]! -= lower[i * n + k]! * w[k * m + c]!
    for (let c = 0; c < m; c++) w[i * m + c]! /= lower[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) for (let c = 0; c < m; c++) w[i * m + c]! -= lower[k * n + i]! * w[k * m + c]!
    for (let c = 0; c < m; c++) w[i * m + c]! /= lower[i * n + i]!
  }
  return Float32Array.from(w)
}
