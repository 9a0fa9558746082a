import type { Value } from './core.js'
import { quantisationBlock, type Bits, type QuantisedMatrix } from './quantised.js'
import { ShapingGraph } from './shaping.js'
import { show, ShapeError } from './types.js'

interface Packed {
  readonly bits: Bits
  readonly levels: Value
  readonly scales: Value
}

/** Matrices of integers. */
export class PackedGraph extends ShapingGraph {
  private readonly packed = new Map<string, Packed>()

  /** A matrix of integers as a constant: a value that can be the right factor of `gemm` and `matmul`, nothing else. */
  quantised({ bits, shape, levels, scales }: QuantisedMatrix): Value {
    const [inputs, outputs] = shape
    const blocks = Math.ceil(inputs / quantisationBlock)
    const handle = this.handle(
      'float32',
      shape,
      'a matrix of integers can only be the right factor of gemm or matmul, not transposed',
    )
    this.packed.set(handle.name, {
      bits,
      levels: this.constant(levels, [outputs, blocks, (quantisationBlock * bits) / 8]),
      scales: this.constant(scales, [outputs, blocks]),
    })
    return handle
  }

  /** a b of a matrix of integers, by onnxruntime's kernel for it; undefined where b is none. Its accuracy level 4 rounds
   *  `a` to 8 bits, with a scale for every block of every row: what stands in other rows changes nothing. */
  protected packedProduct(a: Value, b: Value): Value | undefined {
    const packed = this.packed.get(b.name)
    if (!packed) return undefined
    const [inputs, outputs] = b.shape as readonly [number, number]
    if (a.shape.at(-1) !== inputs)
      throw new ShapeError('gemm', `${show(a.shape)} x ${show(b.shape)}: inner sizes differ`)
    return this.one('MatMulNBits', [a, packed.levels, packed.scales], [...a.shape.slice(0, -1), outputs], {
      attributes: { K: inputs, N: outputs, bits: packed.bits, block_size: quantisationBlock, accuracy_level: 4 },
      domain: 'com.microsoft',
    })
  }

  /**
   * A matrix [in, out] rounded to the values of what `quantise` makes of it. The gradient passes as if nothing was rounded
   * (the straight-through estimator).
   * @source Bengio, Léonard & Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", arXiv 1308.3432
   */
  fakeQuantise(x: Value, bits: Bits): Value {
    const [inputs, outputs] = x.shape
    if (x.shape.length !== 2 || typeof inputs !== 'number')
      throw new ShapeError('fakeQuantise', `${show(x.shape)}: matrices only`)
    const half = 2 ** (bits - 1)
    const blocks = Math.ceil(inputs / quantisationBlock)
    const fill = blocks * quantisationBlock - inputs
    const y = this.untaped(() => {
      const full = fill > 0 ? this.concat([x, this.zeros([fill, outputs!], x.dtype)], 0) : x
      const w = this.reshape(full, [blocks, quantisationBlock, outputs!])
      const most = this.max(w, [1], true)
      const least = this.neg(this.max(this.neg(w), [1], true))
      const extreme = this.where(this.greater(most, this.neg(least)), most, least)
      const one = this.like(x, 1)
      const scale = this.div(this.where(this.equal(extreme, this.like(x, 0)), one, extreme), this.like(x, -half))
      const level = this.one('Round', [this.div(w, scale)], w.shape)
      const clipped = this.one('Min', [level, this.like(x, half - 1)], w.shape)
      const rounded = this.reshape(this.mul(clipped, scale), full.shape)
      return fill > 0 ? this.slice(rounded, 0, 0, inputs) : rounded
    })
    this.record({ outputs: [y], inputs: [x], rule: ([dy]) => [dy && (() => dy)] })
    return y
  }
}
