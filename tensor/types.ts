/** A size: a number, or a name where it is known only at run time (the capacity of a cache in decoding graphs). */
export type Dim = number | string
export type Shape = readonly Dim[]

export type DType = 'float32' | 'float16' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8'

/** Memory of a tensor: float16 as its bits in a Uint16Array, bool as 0 and 1 in a Uint8Array. */
export type TypedArray = Float32Array | Uint16Array | Float64Array | BigInt64Array | Int32Array | Uint8Array

/** Plain data in row-major order. */
export interface Tensor {
  readonly dtype: DType
  readonly dims: readonly number[]
  readonly data: TypedArray
}

/** Shapes that an operator cannot combine. Thrown while a graph is built. */
export class ShapeError extends Error {
  constructor(operator: string, detail: string) {
    super(`${operator}: ${detail}`)
    this.name = 'ShapeError'
  }
}

/** A shape for messages: `[8, 128]`. */
export const show = (shape: Shape): string => `[${shape.join(', ')}]`

export const bytesOf: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  float64: 8,
  int64: 8,
  int32: 4,
  bool: 1,
  uint8: 1,
}

/** Number of elements; a symbolic size is an error. */
export function elements(shape: Shape): number {
  return shape.reduce<number>((n, d) => {
    if (typeof d !== 'number') throw new ShapeError('elements', `size ${d} of ${show(shape)} is not known`)
    return n * d
  }, 1)
}

/** A zero-filled array for `n` elements of a type. */
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
  }
}

/** A tensor of plain numbers (float16 not supported here). */
export function tensor(numbers: ArrayLike<number>, dims: readonly number[], dtype: DType = 'float32'): Tensor {
  const data = allocate(dtype, numbers.length)
  for (let i = 0; i < numbers.length; i++) data[i] = data instanceof BigInt64Array ? BigInt(numbers[i]!) : numbers[i]!
  return { dtype, dims, data }
}
