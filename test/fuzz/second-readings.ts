/** Readings of formats by their descriptions, written only to compare with, of inputs that the product has accepted. */

/** A tensor's shape and bytes. */
export interface RawTensor {
  readonly type: string | number
  readonly shape: readonly number[]
  readonly bytes: Buffer
}

/** @source https://github.com/huggingface/safetensors#format */
export function safetensorsOf(file: Buffer): Map<string, RawTensor> {
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const data = file.subarray(8 + length)
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [start, end],
          },
        ]) => [name, { type: dtype, shape, bytes: data.subarray(start, end) }],
      ),
  )
}

/** Bytes of a number by the types of GGUF's keys: a minus for what has a sign, a point for floating-point numbers. */
const numbers: Readonly<Record<number, (b: Buffer, at: number) => readonly [value: unknown, size: number]>> = {
  0: (b, at) => [b.readUInt8(at), 1],
  1: (b, at) => [b.readInt8(at), 1],
  2: (b, at) => [b.readUInt16LE(at), 2],
  3: (b, at) => [b.readInt16LE(at), 2],
  4: (b, at) => [b.readUInt32LE(at), 4],
  5: (b, at) => [b.readInt32LE(at), 4],
  6: (b, at) => [b.readFloatLE(at), 4],
  7: (b, at) => [b.readUInt8(at) !== 0, 1],
  10: (b, at) => [Number(b.readBigUInt64LE(at)), 8],
  11: (b, at) => [Number(b.readBigInt64LE(at)), 8],
  12: (b, at) => [b.readDoubleLE(at), 8],
}

/** @source https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Tensors without their bytes' end, which their types give. */
export function ggufOf(file: Buffer): {
  keys: Map<string, unknown>
  tensors: Map<string, Omit<RawTensor, 'bytes'> & { at: number }>
} {
  let at = 4
  const u32 = () => ((at += 4), file.readUInt32LE(at - 4))
  const u64 = () => ((at += 8), Number(file.readBigUInt64LE(at - 8)))
  const text = () => {
    const length = u64()
    at += length
    return file.toString('utf8', at - length, at)
  }
  const value = (type: number): unknown => {
    if (type === 8) return text()
    if (type === 9) {
      const [element, count] = [u32(), u64()]
      // A list of booleans is one of numbers.
      return Array.from({ length: count }, () => (element === 7 ? Number(value(element)) : value(element)))
    }
    const [number, size] = numbers[type]!(file, at)
    at += size
    return number
  }
  u32()
  const [tensorCount, keyCount] = [u64(), u64()]
  const keys = new Map<string, unknown>()
  for (let i = 0; i < keyCount; i++) keys.set(text(), value(u32()))
  const entries = Array.from({ length: tensorCount }, () => {
    const name = text()
    const shape = Array.from({ length: u32() }, u64).reverse()
    return { name, shape, type: u32(), offset: u64() }
  })
  const alignment = Number(keys.get('general.alignment') ?? 32)
  const base = Math.ceil(at / alignment) * alignment
  return {
    keys,
    tensors: new Map(entries.map(({ name, shape, type, offset }) => [name, { type, shape, at: base + offset }])),
  }
}
