import { writeFileSync } from 'node:fs'

/** A key's value with its type's number in the file. */
export type Value = readonly [type: number, value: number | string | readonly (number | string)[], element?: number]

export const u32 = (value: number): Value => [4, value]
export const f32 = (value: number): Value => [6, value]
export const bool = (value: boolean): Value => [7, value ? 1 : 0]
export const text = (value: string): Value => [8, value]
export const texts = (values: readonly string[]): Value => [9, values, 8]
export const i32s = (values: readonly number[]): Value => [9, values, 5]
export const f32s = (values: readonly number[]): Value => [9, values, 6]

export interface FileTensor {
  readonly name: string
  /** Row length last. */
  readonly shape: readonly number[]
  /** F32 unless `type` and `bytes` say otherwise. */
  readonly data?: Float32Array
  readonly type?: number
  readonly bytes?: Uint8Array
}

export interface FileOptions {
  readonly version?: number
  readonly keyCount?: bigint
  readonly tensorCount?: bigint
  readonly alignment?: number
  /** Added to the offset of the second tensor. */
  readonly shift?: number
}

const u32Bytes = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
const u64Bytes = (value: number | bigint): Buffer => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64LE(BigInt(value))
  return out
}
const textBytes = (value: string): Buffer => Buffer.concat([u64Bytes(Buffer.byteLength(value)), Buffer.from(value)])

function valueBytes(type: number, value: number | string): Buffer {
  if (type === 8) return textBytes(value as string)
  if (type === 7) return Buffer.of(value as number)
  if (type === 6) return Buffer.from(Float32Array.of(value as number).buffer)
  if (type === 5) return Buffer.from(Int32Array.of(value as number).buffer)
  if (type === 4) return u32Bytes(value as number)
  if (type === 10) return u64Bytes(value as number)
  throw new Error(`no type ${type} here`)
}

/** A GGUF file, byte by byte as the format's description says. */
export function fileBytes(
  keys: readonly (readonly [string, Value])[],
  tensors: readonly FileTensor[] = [],
  { version = 3, keyCount, tensorCount, alignment = 32, shift = 0 }: FileOptions = {},
): Buffer {
  const padded = (bytes: Buffer) =>
    Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)])
  const data = tensors.map(({ data, bytes }) => Buffer.from(bytes ?? new Uint8Array(data!.slice().buffer)))
  let offset = 0
  const entries = tensors.map(({ name, shape, type = 0 }, i) => {
    const at = offset + (i === 1 ? shift : 0)
    offset += padded(data[i]!).length
    const sizes = [...shape].reverse().map(u64Bytes)
    return Buffer.concat([textBytes(name), u32Bytes(shape.length), ...sizes, u32Bytes(type), u64Bytes(at)])
  })
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32Bytes(version),
    u64Bytes(tensorCount ?? tensors.length),
    u64Bytes(keyCount ?? keys.length),
    ...keys.map(([name, [type, value, element]]) =>
      Buffer.concat([
        textBytes(name),
        u32Bytes(type),
        ...(typeof value === 'object'
          ? [u32Bytes(element!), u64Bytes(value.length), ...value.map((own) => valueBytes(element!, own))]
          : [valueBytes(type, value)]),
      ]),
    ),
    ...entries,
  ])
  return Buffer.concat([padded(head), ...data.map((own, i) => (i === data.length - 1 ? own : padded(own)))])
}

export function writeFile(path: string, ...args: Parameters<typeof fileBytes>): string {
  writeFileSync(path, fileBytes(...args))
  return path
}
