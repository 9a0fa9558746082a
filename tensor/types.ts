import { unreachable } from '../errors/unreachable.js'

/** A size: a number, or a name if it is known only at run time, like the capacity of a KV cache. */
export type Dim = number | string
/** Sizes of the axes; [] is a scalar. */
export type Shape = readonly Dim[]

/** Types of elements. */
export type DType = 'float32' | 'float16' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8'

/** Storage of a tensor: a Uint16Array holds the bits of float16, a Uint8Array holds bool as 0 and 1. */
export type TypedArray = Float32Array | Uint16Array | Float64Array | BigInt64Array | Int32Array | Uint8Array

/** Data in row-major order. */
export interface Tensor {
  /** Type of the elements. */
  readonly dtype: DType
  /** Sizes of the axes, all known. */
  readonly dims: readonly number[]
  /** The elements, row-major. */
  readonly data: TypedArray
}

/** An operator cannot take these shapes or types. Thrown while a graph is built. */
export class ShapeError extends Error {
  /**
   * @param operator  name of the method of `Graph`
   * @param detail    the shapes at fault
   */
  constructor(operator: string, detail: string) {
    super(`${operator}: ${detail}`)
    this.name = 'ShapeError'
  }
}

/** Formats a shape for messages: `[8, 128]`. */
export const show = (shape: Shape): string => `[${shape.join(', ')}]`

/** Bytes per element. */
export const bytesOf: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  float64: 8,
  int64: 8,
  int32: 4,
  bool: 1,
  uint8: 1,
}

/** Counts the elements of a shape. @throws ShapeError if a size is symbolic */
export function elements(shape: Shape): number {
  return shape.reduce<number>((n, d) => {
    if (typeof d !== 'number') throw new ShapeError('elements', `size ${d} of ${show(shape)} is known only at run time`)
    return n * d
  }, 1)
}

/** Allocates storage for `n` elements, filled with zeros. */
export function allocate(dtype: DType, n: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(n)
    case 'float16':
      return new Uint16Array(n)
    case 'float64':
      return new Float64Array(n)
    case 'int64':
      return new BigInt64Array(n)
    case 'int32':
      return new Int32Array(n)
    case 'bool':
    case 'uint8':
      return new Uint8Array(n)
    default:
      return unreachable(dtype)
  }
}

/**
 * Makes a tensor of plain numbers. For float16, convert the numbers with `toFloat16` instead.
 *
 * @param dims   sizes of the axes; not checked against the number of elements
 * @param dtype  @default 'float32'
 */
export function tensor(numbers: ArrayLike<number>, dims: readonly number[], dtype: DType = 'float32'): Tensor {
  const data = allocate(dtype, numbers.length)
  for (let i = 0; i < numbers.length; i++) data[i] = data instanceof BigInt64Array ? BigInt(numbers[i]!) : numbers[i]!
  return { dtype, dims, data }
}
