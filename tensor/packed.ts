import { IndexingGraph } from './indexing.js'
import { quantisationBlock, type Bits, type QuantisedMatrix } from './quantised.js'
import { show, ShapeError } from './types.js'
import type { Value } from './value.js'

interface Packed {
  readonly bits: Bits
  readonly levels: Value
  readonly scales: Value
}

/** Quantised matrices. */
export class PackedGraph extends IndexingGraph {
  private readonly packed = new Map<string, Packed>()

  /**
   * Embeds a quantised matrix as a constant. The value can only be the second factor of `gemm` and `matmul`.
   *
   * @example `g.quantised(quantise(new Float32Array(64 * 24), [64, 24], 4))` → [64, 24]. ONNX: no node, two initializers
   */
  quantised({ bits, shape, levels, scales }: QuantisedMatrix): Value {
    const [inputs, outputs] = shape
    const blocks = Math.ceil(inputs / quantisationBlock)
    const handle = this.handle(
      'float32',
      shape,
      'a quantised matrix can only be the second factor of gemm or matmul, not transposed',
    )
    this.packed.set(handle.name, {
      bits,
      levels: this.constant(levels, [outputs, blocks, (quantisationBlock * bits) / 8]),
      scales: this.constant(scales, [outputs, blocks]),
    })
    return handle
  }

  /**
   * Multiplies by a quantised matrix with onnxruntime's kernel; undefined if b is not quantised. Accuracy level 4 rounds
   * `a` to 8 bits with one scale per block of each row, so rows do not influence each other.
   */
  protected packedProduct(a: Value, b: Value): Value | undefined {
    const packed = this.packed.get(b.name)
    if (!packed) return undefined
    const [inputs, outputs] = b.shape as readonly [number, number]
    if (a.shape.at(-1) !== inputs)
      throw new ShapeError(
        'gemm',
        `${show(a.shape)} x ${show(b.shape)}: inner sizes ${a.shape.at(-1)} and ${inputs} differ`,
      )
    return this.one('MatMulNBits', [a, packed.levels, packed.scales], [...a.shape.slice(0, -1), outputs], {
      attributes: { K: inputs, N: outputs, bits: packed.bits, block_size: quantisationBlock, accuracy_level: 4 },
      domain: 'com.microsoft',
    })
  }

  /**
   * Rounds a matrix to the values that `quantise` can represent, for quantisation-aware training. The gradient passes
   * unchanged (straight-through estimator).
   *
   * @param x  [in, out]
   * @throws ShapeError if x is not a matrix
   * @source Bengio, Léonard & Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", arXiv 1308.3432
   * @example x [64, 24]: `g.fakeQuantise(x, 4)` → [64, 24]. ONNX: Reshape, ReduceMax, Neg, Less, Where, Equal, Div, Round, Min, Mul
   */
  fakeQuantise(x: Value, bits: Bits): Value {
    const [inputs, outputs] = x.shape
    if (x.shape.length !== 2 || typeof inputs !== 'number')
      throw new ShapeError('fakeQuantise', `${show(x.shape)} is not a matrix`)
    const half = 2 ** (bits - 1)
    const blocks = Math.ceil(inputs / quantisationBlock)
    const padding = blocks * quantisationBlock - inputs
    const y = this.untaped(() => {
      const full = padding > 0 ? this.concat([x, this.zeros([padding, outputs!], x.dtype)], 0) : x
      const w = this.reshape(full, [blocks, quantisationBlock, outputs!])
      const highest = this.max(w, [1], true)
      const lowest = this.neg(this.max(this.neg(w), [1], true))
      const extreme = this.where(this.greater(highest, this.neg(lowest)), highest, lowest)
      const one = this.like(x, 1)
      const scale = this.div(this.where(this.equal(extreme, this.like(x, 0)), one, extreme), this.like(x, -half))
      const level = this.one('Round', [this.div(w, scale)], w.shape)
      const clipped = this.one('Min', [level, this.like(x, half - 1)], w.shape)
      const rounded = this.reshape(this.mul(clipped, scale), full.shape)
      return padding > 0 ? this.slice(rounded, 0, 0, inputs) : rounded
    })
    this.record({ outputs: [y], inputs: [x], rule: ([dy]) => [dy && (() => dy)] })
    return y
  }
}
