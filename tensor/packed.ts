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
   * Embeds a quantised matrix as a constant. The value can only be the second factor of `gemm` and `matmul`, and be read by
   * `quantisedRows`.
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
   * Looks up columns of a quantised matrix, which lie in rows: of a head that is also the embedding, [hidden, vocabulary], those
   * of some tokens.
   *
   * @param ids  whole numbers [n]
   * @returns float32 [n, in]
   * @example ids int64 [5]: `g.quantisedRows(g.quantised(quantise(new Float32Array(64 * 24), [64, 24], 8)), ids)` → [5, 64].
   *          ONNX: Gather, Cast, Reshape, Sub, Mul
   */
  quantisedRows(matrix: Value, ids: Value): Value {
    const packed = this.packed.get(matrix.name)
    if (!packed || ids.shape.length !== 1)
      throw new ShapeError(
        'quantisedRows',
        `${show(matrix.shape)} and ${show(ids.shape)}: not a quantised matrix and a list`,
      )
    const inputs = matrix.shape[0] as number
    const [n, blocks] = [ids.shape[0]!, Math.ceil(inputs / quantisationBlock)]
    const number = (value: number) => this.scalar(value, 'float32')
    return this.untaped(() => {
      let levels = this.cast(this.gather(packed.levels, ids, 0), 'float32')
      if (packed.bits === 4) {
        // Of two levels in a byte, the first is in the lower half.
        const second = this.one('Floor', [this.mul(levels, number(1 / 16))], levels.shape)
        const first = this.sub(levels, this.mul(second, number(16)))
        const halves = [first, second].map((half) => this.reshape(half, [n, blocks, quantisationBlock / 2, 1]))
        levels = this.reshape(this.concat(halves, 3), [n, blocks, quantisationBlock])
      }
      const scales = this.reshape(this.gather(packed.scales, ids, 0), [n, blocks, 1])
      const rows = this.mul(this.sub(levels, number(2 ** (packed.bits - 1))), scales)
      const whole = this.reshape(rows, [n, blocks * quantisationBlock])
      return inputs % quantisationBlock === 0 ? whole : this.slice(whole, 1, 0, inputs)
    })
  }

  /** Whether a value is a quantised matrix. */
  isQuantised(value: Value): boolean {
    return this.packed.has(value.name)
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
