import { open, readFile, rename, rm } from 'node:fs/promises'
import { bytesOf, elements, type DType, type Tensor, type TypedArray } from './types.js'
import { entryOf } from '../errors/foreign.js'

const names: Readonly<Record<DType, string>> = {
  float32: 'F32',
  float16: 'F16',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  bool: 'BOOL',
  uint8: 'U8',
}
const types = {
  F32: ['float32', Float32Array],
  F16: ['float16', Uint16Array],
  F64: ['float64', Float64Array],
  I64: ['int64', BigInt64Array],
  I32: ['int32', Int32Array],
  BOOL: ['bool', Uint8Array],
  U8: ['uint8', Uint8Array],
} as const

/** A tensor to be written to a safetensors file. */
export interface TensorBytes {
  readonly name: string
  /** The format's name for the type of the elements, such as `BF16`. */
  readonly type: string
  readonly shape: readonly number[]
  /** Size of the data in bytes. */
  readonly size: number
  /** Returns the data, row-major and little-endian. Called after all tensors before it have been written. */
  readonly bytes: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/**
 * Writes a safetensors file tensor by tensor. The file appears complete or not at all (temporary file, then rename).
 *
 * @param metadata  the header's `__metadata__`; `{}` leaves it out
 * @throws Error if a tensor has more or fewer bytes than its `size`
 * @source https://github.com/huggingface/safetensors#format
 */
export async function writeTensorBytes(
  path: string,
  tensors: readonly TensorBytes[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {}
  let offset = 0
  for (const { name, type, shape, size } of tensors) {
    header[name] = { dtype: type, shape, data_offsets: [offset, offset + size] }
    offset += size
  }
  const temporary = `${path}.${process.pid}.tmp`
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(safetensorsHead(header))
    for (const { name, size, bytes } of tensors) {
      let written = 0
      for await (const chunk of bytes()) {
        await file.writeFile(chunk)
        written += chunk.byteLength
      }
      if (written !== size)
        throw new Error(`Internal error: ${path}: tensor ${name} has ${written} bytes instead of ${size}`)
    }
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}

/** Builds the start of a safetensors file: the header's length and its JSON, padded so that the data is aligned for every type. */
export function safetensorsHead(header: Readonly<Record<string, unknown>>): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  head.writeBigUInt64LE(BigInt(head.length - 8))
  json.copy(head, 8)
  return head
}

/** A tensor whose bytes are written as they arrive. */
export interface TensorStream extends Omit<Tensor, 'data'> {
  /** Little-endian. */
  readonly bytes: AsyncIterable<Uint8Array>
}

/**
 * Writes tensors as a safetensors file. The file appears complete or not at all (temporary file, then rename).
 *
 * @param metadata  the header's `__metadata__`. @default none
 * @throws Error if a stream yields more or fewer bytes than its shape needs
 */
export async function writeTensors(
  path: string,
  tensors: Readonly<Record<string, Tensor | TensorStream>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const list = Object.entries(tensors).map(([name, tensor]): TensorBytes => {
    const { dtype, dims } = tensor
    const bytes = () => ('data' in tensor ? [bytesIn(tensor.data)] : tensor.bytes)
    return { name, type: names[dtype], shape: dims, size: elements(dims) * bytesOf[dtype], bytes }
  })
  await writeTensorBytes(path, list, metadata)
}

const bytesIn = ({ buffer, byteOffset, byteLength }: TypedArray) => new Uint8Array(buffer, byteOffset, byteLength)

/** Reads the metadata of a safetensors file that this project wrote, and none of its tensors.
 *  @throws Error if its header is incomplete */
export async function readMetadata(path: string): Promise<Readonly<Record<string, string>>> {
  const file = await open(path, 'r')
  try {
    const head = await file.read(Buffer.alloc(8), 0, 8, 0)
    const length = head.bytesRead < 8 ? NaN : Number(head.buffer.readBigUInt64LE())
    if (!(length <= (await file.stat()).size - 8)) throw new Error(`${path} is truncated: its header is incomplete`)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, 8)
    const { __metadata__: metadata = {} } = JSON.parse(buffer.toString('utf8')) as { __metadata__?: object }
    return metadata as Readonly<Record<string, string>>
  } finally {
    await file.close()
  }
}

/**
 * Reads a whole safetensors file that this project wrote (checkpoint, captured activations, weights).
 *
 * @throws Error if the file is truncated or inconsistent
 */
export async function readTensors(
  path: string,
): Promise<{ tensors: Record<string, Tensor>; metadata: Readonly<Record<string, string>> }> {
  const file = await readFile(path)
  const length = file.length < 8 ? NaN : Number(file.readBigUInt64LE())
  if (!(length <= file.length - 8)) throw new Error(`${path} is truncated: its header is incomplete`)
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<string, unknown>
  const { __metadata__: metadata = {}, ...entries } = header
  const tensors: Record<string, Tensor> = {}
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, data_offsets } = entry as {
      dtype: keyof typeof types
      shape: number[]
      data_offsets: number[]
    }
    const type = entryOf(types, dtype)
    const [start, end] = [data_offsets[0]! + 8 + length, data_offsets[1]! + 8 + length]
    if (!type || end > file.length || end - start !== elements(shape) * bytesOf[type[0]])
      throw new Error(`${path}: tensor ${name} is truncated or inconsistent`)
    const [elementType, ArrayType] = type
    const position = file.byteOffset + start
    const data: TypedArray =
      position % ArrayType.BYTES_PER_ELEMENT === 0
        ? new ArrayType(file.buffer, position, elements(shape))
        : new ArrayType(file.buffer.slice(position, position + end - start))
    tensors[name] = { dtype: elementType, dims: shape, data }
  }
  return { tensors, metadata: metadata as Record<string, string> }
}
