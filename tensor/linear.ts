import type { Value } from './core.js'
import { axisOf, broadcast } from './elementwise.js'
import { PackedGraph } from './packed.js'
import { show, ShapeError, type Dim } from './types.js'

/** Products, norms and softmax. */
export class LinearGraph extends PackedGraph {
  /** op(a) op(b) of matrices, op = transpose where asked. */
  gemm(a: Value, b: Value, { transA = false, transB = false } = {}): Value {
    const problem = `${show(a.shape)}${transA ? 'ᵀ' : ''} x ${show(b.shape)}${transB ? 'ᵀ' : ''}`
    if (a.shape.length !== 2 || b.shape.length !== 2) throw new ShapeError('gemm', `${problem}: matrices only`)
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

  /** Matrix product over the last two axes, broadcasting over those before. */
  matmul(a: Value, b: Value): Value {
    const problem = `${show(a.shape)} x ${show(b.shape)}`
    if (a.shape.length < 2 || b.shape.length < 2) throw new ShapeError('matmul', `${problem}: matrices only`)
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

  /** What tokens of a chunk see of one another, as a constant: `seen` where a token sees another, itself and at most
   *  `window` before it, and `hidden` elsewhere, [length, length] float32. An export keeps it a mask for any length; a
   *  constant that is made by hand it would have to refuse. */
  band(length: number, seen: number, hidden: number, window = Infinity): Value {
    const mask = new Float32Array(length * length).fill(hidden)
    for (let i = 0; i < length; i++) mask.fill(seen, i * length + Math.max(0, i - window), i * length + i + 1)
    return this.newConstant(mask, [length, length], undefined, { seen, hidden, window })
  }

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
  logSoftmax(x: Value, axis = -1): Value {
    const position = axisOf('logSoftmax', x.shape, axis)
    return this.one('LogSoftmax', [x], x.shape, {
      attributes: { axis: position },
      rule: (dy, y) => [() => this.sub(dy, this.mul(this.exp(y), this.sum(dy, [position], true)))],
    })
  }

  /** x / sqrt(mean(x^2) + eps) * weight over the last axis (RMSNorm, arXiv 1910.07467). */
  rmsNorm(x: Value, weight: Value, eps: number): Value {
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1))
      throw new ShapeError('rmsNorm', `weight ${show(weight.shape)} for ${show(x.shape)}`)
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
