import { CholeskyDecomposition, Matrix } from 'ml-matrix'

/**
 * Gaussian process regression of values with mean 0.
 *
 * @source Rasmussen and Williams, "Gaussian Processes for Machine Learning", algorithm 2.1
 */
export class KernelRegression {
  /** The factor of all covariances that makes the values most likely. */
  readonly scale: number
  private readonly weights: readonly number[]
  /** L of the covariances L L'. */
  private readonly lower: readonly (readonly number[])[]

  /** @param covariances  of the values with each other, with the variances of their noise on the diagonal */
  constructor(covariances: readonly (readonly number[])[], values: readonly number[]) {
    const cholesky = new CholeskyDecomposition(new Matrix(covariances.map((row) => [...row])))
    this.weights = cholesky.solve(Matrix.columnVector([...values])).getColumn(0)
    this.scale = this.mean(values) / values.length
    this.lower = cholesky.lowerTriangularMatrix.to2DArray()
  }

  /** Predicts a value. @param covariances  with those of the regression */
  mean(covariances: readonly number[]): number {
    return covariances.reduce((sum, own, i) => sum + own * this.weights[i]!, 0)
  }

  /** Variance of a predicted value. @param prior  its variance before anything is known */
  variance(prior: number, covariances: readonly number[]): number {
    let variance = prior
    const solved: number[] = []
    for (const [i, row] of this.lower.entries()) {
      let rest = covariances[i]!
      for (let j = 0; j < i; j++) rest -= row[j]! * solved[j]!
      solved.push(rest / row[i]!)
      variance -= solved[i]! ** 2
    }
    return Math.max(0, variance)
  }
}
