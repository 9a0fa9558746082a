import { PackedGraph } from './packed.js'
import { axisOf, broadcast } from './shapes.js'
import { show, ShapeError, type Dim } from './types.js'
import type { Value } from './value.js'

/** Matrix products, softmax and normalisation. */
export class LinearGraph extends PackedGraph {
  /**
   * Multiplies two matrices, either of them transposed on request. `b` may be quantised if neither is transposed.
   *
   * @param options.transA  @default false
   * @param options.transB  @default false
   * @throws ShapeError if a or b is not a matrix, or the inner sizes differ
   * @example x [8, 128], w [64, 128]: `g.gemm(x, w, { transB: true })` → [8, 64]. ONNX: Gemm
   */
  gemm(a: Value, b: Value, { transA = false, transB = false } = {}): Value {
    const problem = `${show(a.shape)}${transA ? 'ᵀ' : ''} x ${show(b.shape)}${transB ? 'ᵀ' : ''}`
    if (a.shape.length !== 2 || b.shape.length !== 2) throw new ShapeError('gemm', `${problem}: both must be matrices`)
    const product = transA || transB ? undefined : this.packedProduct(a, b)
    if (product) return product
    const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape
    const [k2, n] = transB ? [b.shape[1], b.shape[0]] : b.shape
    if (k !== k2) throw new ShapeError('gemm', `${problem}: inner sizes ${k} and ${k2} differ`)
    return this.one('Gemm', [a, b], [m as Dim, n as Dim], {
      attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0 },
      rule: (dy) => [
        () => (transA ? this.gemm(b, dy, { transA: transB, transB: true }) : this.gemm(dy, b, { transB: !transB })),
        () => (transB ? this.gemm(dy, a, { transA: true, transB: transA }) : this.gemm(a, dy, { transA: !transA })),
      ],
    })
  }

  /**
   * Multiplies matrices in the last two axes and broadcasts over the axes before them. `b` may be quantised.
   *
   * @throws ShapeError if a or b has fewer than two axes, or the sizes do not fit
   * @example q [2, 4, 8, 32], k [2, 4, 32, 8]: `g.matmul(q, k)` → [2, 4, 8, 8]. ONNX: MatMul; or Gemm for two matrices; or MatMulNBits if b is quantised
   */
  matmul(a: Value, b: Value): Value {
    const problem = `${show(a.shape)} x ${show(b.shape)}`
    if (a.shape.length < 2 || b.shape.length < 2)
      throw new ShapeError('matmul', `${problem}: both must have at least two axes`)
    const inner = a.shape.at(-1)
    if (inner !== b.shape.at(-2))
      throw new ShapeError('matmul', `${problem}: inner sizes ${inner} and ${b.shape.at(-2)} differ`)
    if (a.shape.length === 2 && b.shape.length === 2) return this.gemm(a, b)
    const product = this.packedProduct(a, b)
    if (product) return product
    const batch = broadcast('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2))
    const shape = [...batch, a.shape.at(-2) as Dim, b.shape.at(-1) as Dim]
    return this.one('MatMul', [a, b], shape, {
      rule: (dy) => [
        () => this.reduceTo(this.matmul(dy, this.swap(b)), a.shape),
        () => {
          if (b.shape.length > 2) return this.reduceTo(this.matmul(this.swap(a), dy), b.shape)
          const flat = (x: Value) =>
            this.reshape(x, [x.shape.slice(0, -1).reduce<number>((n, d) => n * Number(d), 1), x.shape.at(-1) as Dim])
          return this.gemm(flat(a), flat(dy), { transA: true })
        },
      ],
    })
  }

  private swap(x: Value): Value {
    const n = x.shape.length
    return this.transpose(x, [...x.shape.slice(0, -2).map((_, i) => i), n - 1, n - 2])
  }

  /**
   * Creates the attention mask of a chunk of tokens, float32: `seen` where a token attends to itself or to one of the
   * `window` tokens before it, `hidden` elsewhere. An export to ONNX recomputes this mask for any length; it has to
   * refuse a mask made with `constant`.
   *
   * @param length  tokens of the chunk
   * @param window  @default all earlier tokens
   * @example `g.band(8, 0, -1e9)` → [8, 8]. ONNX: no node, an initializer
   */
  band(length: number, seen: number, hidden: number, window = Infinity): Value {
    const mask = new Float32Array(length * length).fill(hidden)
    for (let i = 0; i < length; i++) mask.fill(seen, i * length + Math.max(0, i - window), i * length + i + 1)
    return this.newConstant(mask, [length, length], undefined, { seen, hidden, window })
  }

  /**
   * Softmax along an axis.
   *
   * @param axis  @default -1, the last
   * @throws ShapeError if x does not have the axis
   * @example scores [2, 4, 8, 8]: `g.softmax(scores)` → [2, 4, 8, 8]. ONNX: Softmax
   */
  softmax(x: Value, axis = -1): Value {
    const position = axisOf('softmax', x.shape, axis)
    return this.one('Softmax', [x], x.shape, {
      attributes: { axis: position },
      rule: (dy, y) => [
        () => {
          const weighted = this.mul(dy, y)
          return this.sub(weighted, this.mul(y, this.sum(weighted, [position], true)))
        },
      ],
    })
  }

  /**
   * Logarithm of the softmax along an axis, computed stably.
   *
   * @param axis  @default -1, the last
   * @throws ShapeError if x does not have the axis
   * @example logits [8, 1000]: `g.logSoftmax(logits)` → [8, 1000]. ONNX: LogSoftmax
   */
  logSoftmax(x: Value, axis = -1): Value {
    const position = axisOf('logSoftmax', x.shape, axis)
    return this.one('LogSoftmax', [x], x.shape, {
      attributes: { axis: position },
      rule: (dy, y) => [() => this.sub(dy, this.mul(this.exp(y), this.sum(dy, [position], true)))],
    })
  }

  /**
   * RMSNorm over the last axis: x / sqrt(mean(x^2) + eps) * weight.
   *
   * @param weight  [size of the last axis]
   * @throws ShapeError if the weight does not fit
   * @source Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv 1910.07467, eq. 4
   * @example x [8, 128], weight [128]: `g.rmsNorm(x, weight, 1e-5)` → [8, 128]. ONNX: Mul, ReduceMean, Add, Sqrt, Div
   */
  rmsNorm(x: Value, weight: Value, eps: number): Value {
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1))
      throw new ShapeError('rmsNorm', `weight ${show(weight.shape)} does not fit ${show(x.shape)}`)
    const [unit, inverse, y] = this.untaped(() => {
      const variance = this.mean(this.mul(x, x), [-1], true)
      const r = this.div(this.like(x, 1), this.sqrt(this.add(variance, this.like(x, eps))))
      const u = this.mul(x, r)
      return [u, r, this.mul(u, weight)]
    })
    this.record({
      outputs: [y],
      inputs: [x, weight],
      rule: ([dy]) =>
        dy
          ? [
              () => {
                const du = this.mul(dy, weight)
                const along = this.mean(this.mul(du, unit), [-1], true)
                return this.mul(inverse, this.sub(du, this.mul(unit, along)))
              },
              () => this.reduceTo(this.mul(dy, unit), weight.shape),
            ]
          : [],
    })
    return y
  }
}
