import { CholeskyDecomposition, EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix'
import { compute, type Weight } from '../../api/index.js'

/**
 * Factorises W into two thin matrices that are optimal for the given inputs: they minimise |X (W - A B)|, where G = XᵀX, so directions
 * that the inputs do not take cost nothing. Without G, this is the truncated singular value decomposition.
 *
 * It runs a subspace iteration on Lᵀ W with G = L Lᵀ; the work grows with in² x out and in³ / 3.
 *
 * @param weight  W, [in, out]
 * @param gram    G, [in, in]
 * @returns A [in, rank] and B [rank, out]; each column of A has the same norm as the corresponding row of B
 * @source Wang et al. 2024, "SVD-LLM", arXiv 2403.07378, section 3.1; iteration: Halko et al. 2011, arXiv 0909.4061, algorithm 4.4
 */
export async function factorise(weight: Weight, rank: number, gram?: Weight): Promise<{ a: Weight; b: Weight }> {
  const [n, m] = weight.shape as [number, number]
  const lower = gram && cholesky(gram)
  const white = lower ? await product(asWeight(lower.transpose()), weight) : weight
  const columns = Math.min(rank + 8, n, m)
  // Deterministic, with a component in every direction.
  const start = Float32Array.from({ length: m * columns }, (_, i) => (Math.sin(12.9898 * (i + 1)) * 43758.5453) % 1)
  let basis = orthonormal(await product(white, { shape: [m, columns], data: start }))
  for (let i = 0; i < 4; i++) basis = orthonormal(await product(white, await product(white, basis, true)))
  const coordinates = await product(basis, white, true)
  // The principal directions of the subspace, largest first.
  const inner = asMatrix(await product(coordinates, transposed(coordinates)))
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(inner, { assumeSymmetric: true })
  const order = realEigenvalues.map((_, i) => i).sort((x, y) => realEigenvalues[y]! - realEigenvalues[x]!)
  const rotation = eigenvectorMatrix.subMatrixColumn(order.slice(0, rank))
  const q = asMatrix(basis).mmul(rotation)
  const b = rotation.transpose().mmul(asMatrix(coordinates))
  const a = lower ? solveTransposed(lower, q) : q
  for (let i = 0; i < rank; i++) {
    const [row, column] = [norm(b.getRow(i)), norm(a.getColumn(i))]
    if (row === 0 || column === 0) continue
    const scale = Math.sqrt(row / column)
    a.mulColumn(i, scale)
    b.mulRow(i, 1 / scale)
  }
  return { a: asWeight(a), b: asWeight(b) }
}

/** XᵀX over the rows that are not masked. x: [rows, size], mask: 0 or 1, [rows]. */
export async function gramOf(x: Weight, mask: Float32Array): Promise<Weight> {
  const { gram } = await compute((g, { x, mask }) => ({ gram: g.gemm(g.mul(x!, mask!), x!, { transA: true }) }), {
    x,
    mask: { shape: [mask.length, 1], data: mask },
  })
  return gram!
}

/** a b, or aᵀ b. */
async function product(a: Weight, b: Weight, transA = false): Promise<Weight> {
  const { y } = await compute((g, { a, b }) => ({ y: g.gemm(a!, b!, { transA }) }), { a, b })
  return y!
}

/** L with G + εI = L Lᵀ; the regularisation keeps directions that do not occur in the sample. */
function cholesky({ shape, data }: Weight): Matrix {
  const n = shape[0]!
  let trace = 0
  for (let i = 0; i < n; i++) trace += data[i * n + i]!
  const matrix = asMatrix({ shape, data })
  for (let i = 0; i < n; i++) matrix.set(i, i, matrix.get(i, i) + (1e-3 * trace) / n + 1e-12)
  return new CholeskyDecomposition(matrix).lowerTriangularMatrix
}

/** Solves Lᵀ Y = Q by back substitution. */
function solveTransposed(lower: Matrix, q: Matrix): Matrix {
  const y = q.clone()
  for (let i = y.rows - 1; i >= 0; i--) {
    for (let c = 0; c < y.columns; c++) {
      let sum = y.get(i, c)
      for (let k = i + 1; k < y.rows; k++) sum -= lower.get(k, i) * y.get(k, c)
      y.set(i, c, sum / lower.get(i, i))
    }
  }
  return y
}

const orthonormal = (x: Weight): Weight => asWeight(new QrDecomposition(asMatrix(x)).orthogonalMatrix)
const asMatrix = ({ shape, data }: Weight): Matrix => Matrix.from1DArray(shape[0]!, shape[1]!, data)
const asWeight = (m: Matrix): Weight => ({ shape: [m.rows, m.columns], data: Float32Array.from(m.to1DArray()) })
const transposed = (w: Weight): Weight => asWeight(asMatrix(w).transpose())
const norm = (values: readonly number[]): number => Math.sqrt(values.reduce((n, x) => n + x * x, 0))
