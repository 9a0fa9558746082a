import { CholeskyDecomposition, Matrix } from 'ml-matrix'
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
  const matrix = Matrix.from1DArray(n, n, gram)
  const trace = matrix.trace()
  const ridge = trace > 0 ? (penalty * trace) / n : 1
  const cholesky = new CholeskyDecomposition(matrix.add(Matrix.eye(n, n, ridge)))
  // Of what is not finite nothing is: whoever measures the weights says so.
  if (!cholesky.isPositiveDefinite()) return new Float32Array(n * m).fill(NaN)
  return Float32Array.from(cholesky.solve(Matrix.from1DArray(n, m, moment)).to1DArray())
}
