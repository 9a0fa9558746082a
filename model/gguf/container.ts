import { closeSync, fstatSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Failure } from '../../api/index.js'
import { refuseStandIn } from '../../files/stand-in.js'
import { fillFrom } from '../../tensor/float-file.js'
import { dequantise } from './dequantise.js'
import { HeaderReader } from './header.js'
import {
  defaultAlignment,
  tensorTypes,
  valueTypes,
  type TensorType,
  type TensorTypeName,
  type ValueType,
} from './types.js'

/** A key's value. Lists of numbers are typed arrays, with 0 or 1 for booleans. 64-bit integers beyond 2^53 are refused. */
export type GgufValue = number | boolean | string | readonly string[] | NumberList
export type NumberList =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array

/** A tensor's place in a file. */
export interface GgufTensor {
  readonly name: string
  /** Path of the file that contains it, which may be one part of a split file. */
  readonly file: string
  /** Shape with the row length last, as everywhere in puzzleflow; the file has it first. */
  readonly shape: readonly number[]
  /** Undefined for a type that cannot be read. */
  readonly type: TensorTypeName | undefined
  /** The number for the type in the file. */
  readonly typeNumber: number
  /** Offset of the first byte in the file. */
  readonly start: number
  readonly end: number
}

const copyAgain = 'Copy the file from its source again.'
const namesByNumber: ReadonlyMap<number, TensorTypeName> = new Map(
  Object.entries(tensorTypes).map(([name, { number }]) => [number, name as TensorTypeName]),
)

/** Types that cannot be read, by their numbers in the file. Their sizes are needed to check where the next tensor begins. */
const unread: Readonly<Record<number, Omit<TensorType, 'number'> & { readonly name: string }>> = {
  9: { name: 'Q8_1', values: 32, bytes: 36 },
  10: { name: 'Q2_K', values: 256, bytes: 84 },
  11: { name: 'Q3_K', values: 256, bytes: 110 },
  15: { name: 'Q8_K', values: 256, bytes: 292 },
  20: { name: 'IQ4_NL', values: 32, bytes: 18 },
  23: { name: 'IQ4_XS', values: 256, bytes: 136 },
}

/** Returns the name of a tensor's type for messages. */
export const typeName = ({ type, typeNumber }: GgufTensor): string =>
  type ?? unread[typeNumber]?.name ?? `${typeNumber}`

/** A GGUF file. Only its header is in memory; tensors are read one by one. */
export class GgufFile {
  private constructor(
    readonly path: string,
    readonly keys: ReadonlyMap<string, GgufValue>,
    readonly tensors: ReadonlyMap<string, GgufTensor>,
  ) {}

  /** Reads and checks the header. @throws Failure InvalidInput if the file is truncated or inconsistent */
  static open(path: string): GgufFile {
    refuseStandIn(path)
    let descriptor: number
    try {
      descriptor = openSync(path, 'r')
    } catch (error) {
      const message = `${path}: cannot be opened: ${(error as Error).message}`
      throw new Failure('InvalidInput', message, { file: path, remedy: 'Give the path of a GGUF file.' })
    }
    try {
      const stat = fstatSync(descriptor)
      const reader = new HeaderReader(descriptor, path, stat.size)
      if (!stat.isFile()) throw reader.fail('is not a file', 'Give the path of a GGUF file.')
      return GgufFile.parse(reader)
    } finally {
      closeSync(descriptor)
    }
  }

  /** Returns the first part of a split file with the tensors of all parts. */
  static joined = ({ path, keys }: GgufFile, tensors: ReadonlyMap<string, GgufTensor>): GgufFile =>
    new GgufFile(path, keys, tensors)

  private static parse(reader: HeaderReader): GgufFile {
    if (reader.bytes(4).toString('latin1') !== 'GGUF')
      throw reader.fail('is not a GGUF file: it does not begin with "GGUF"', 'Give the path of a GGUF file.')
    const version = reader.u32()
    if (version !== 2 && version !== 3)
      throw reader.fail(
        `has the GGUF version ${version}${(version & 0xffff) === 0 ? ' (big-endian)' : ''}`,
        'Supported: versions 2 and 3, little-endian. Convert the model again with a current llama.cpp.',
      )
    // Least sizes: a tensor's entry has a name, dimensions, type and offset; a key has a name, type, and at least one byte.
    reader.what = 'the number of tensors'
    const tensorCount = reader.count(8 + 4 + 4 + 8)
    reader.what = 'the number of keys'
    const keyCount = reader.count(8 + 4 + 1)
    const keys = new Map<string, GgufValue>()
    for (let i = 0; i < keyCount; i++) {
      reader.what = `key ${i}`
      const name = reader.string()
      reader.what = `the key ${name}`
      if (keys.has(name)) throw reader.fail(`has the key ${name} twice`)
      keys.set(name, readValue(reader))
    }
    const alignment = keys.get('general.alignment') ?? defaultAlignment
    if (typeof alignment !== 'number' || !Number.isInteger(Math.log2(alignment)) || alignment < 8)
      throw reader.fail(`has the general.alignment ${String(alignment)}, which is not a power of two of at least 8`)
    return new GgufFile(reader.path, keys, readTensors(reader, tensorCount, alignment))
  }

  /** Reads a tensor's values, dequantised.
   *  @throws Failure InvalidInput if its type is not supported, it is truncated, or it contains NaN or infinity */
  async read(name: string): Promise<Float32Array> {
    const entry = this.tensors.get(name)!
    const bad = (message: string, remedy: string) =>
      new Failure('InvalidInput', `${entry.file}: tensor ${name} ${message}`, { file: entry.file, remedy })
    if (!entry.type) throw bad(`has the type ${typeName(entry)}`, supported)
    // Newly allocated memory is aligned for every type.
    const bytes = new Uint8Array(entry.end - entry.start)
    const file = await open(entry.file, 'r')
    try {
      if ((await fillFrom(file, bytes, entry.start)) > 0) throw bad('is truncated', copyAgain)
    } finally {
      await file.close()
    }
    const values = dequantise(entry.type, bytes)
    // If a block's scale is NaN or infinite, so is the block's first value: one value per block is enough to check.
    const step = tensorTypes[entry.type].values
    let sum = 0
    for (let i = 0; i < values.length; i += step) sum += values[i]! * 0
    if (sum !== 0) throw bad('holds NaN or infinity', copyAgain)
    return values
  }
}

/** Remedy for a tensor type that cannot be read. */
export const supported = `Supported: ${Object.keys(tensorTypes).join(', ')}. Use another quantisation of the model.`

const valueNames = new Map(Object.entries(valueTypes).map(([name, number]) => [number as number, name as ValueType]))

/** Numbers by their type: their bytes, what reads one, and what holds a list of them. */
const numberTypes = {
  u8: { bytes: 1, read: 'readUInt8', list: Uint8Array },
  bool: { bytes: 1, read: 'readUInt8', list: Uint8Array },
  i8: { bytes: 1, read: 'readInt8', list: Int8Array },
  u16: { bytes: 2, read: 'readUInt16LE', list: Uint16Array },
  i16: { bytes: 2, read: 'readInt16LE', list: Int16Array },
  u32: { bytes: 4, read: 'readUInt32LE', list: Uint32Array },
  i32: { bytes: 4, read: 'readInt32LE', list: Int32Array },
  f32: { bytes: 4, read: 'readFloatLE', list: Float32Array },
  f64: { bytes: 8, read: 'readDoubleLE', list: Float64Array },
  u64: { bytes: 8, read: 'readBigUInt64LE', list: Float64Array },
  i64: { bytes: 8, read: 'readBigInt64LE', list: Float64Array },
} as const satisfies Record<Exclude<ValueType, 'string' | 'array'>, unknown>
type NumberType = keyof typeof numberTypes

function readType(reader: HeaderReader): ValueType {
  const number = reader.u32()
  const type = valueNames.get(number)
  if (!type) throw reader.fail(`is damaged: ${reader.what} has a value of the unknown type ${number}`)
  return type
}

function readValue(reader: HeaderReader): GgufValue {
  const type = readType(reader)
  if (type === 'string') return reader.string()
  if (type !== 'array') {
    const value = readNumber(reader, type, reader.bytes(numberTypes[type].bytes), 0)
    return type === 'bool' ? value !== 0 : value
  }
  const element = readType(reader)
  if (element === 'array') throw reader.fail(`${reader.what} is a list of lists, which no model needs`)
  if (element === 'string') {
    const count = reader.count(8)
    const strings: string[] = []
    for (let i = 0; i < count; i++) strings.push(reader.string())
    return strings
  }
  const { bytes: size, list } = numberTypes[element]
  const count = reader.count(size)
  const bytes = reader.bytes(count * size)
  const values: NumberList = new list(count)
  for (let i = 0; i < count; i++) values[i] = readNumber(reader, element, bytes, i * size)
  return values
}

/** @param reader  used only for messages */
function readNumber(reader: HeaderReader, type: NumberType, bytes: Buffer, at: number): number {
  const value = bytes[numberTypes[type].read](at)
  if (typeof value === 'number') return value
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw reader.fail(`${reader.what} is ${number}, which is too large`)
  return number
}

/** Reads the tensors' entries. Each tensor must begin at the aligned end of the one before, and end within the file. */
function readTensors(reader: HeaderReader, count: number, alignment: number): Map<string, GgufTensor> {
  const entries: (Omit<GgufTensor, 'file' | 'start' | 'end'> & { readonly offset: bigint; readonly bytes: number })[] =
    []
  const seen = new Set<string>()
  for (let i = 0; i < count; i++) {
    reader.what = `the entry of tensor ${i}`
    const name = reader.string()
    reader.what = `the entry of tensor ${name}`
    if (seen.has(name)) throw reader.fail(`has the tensor ${name} twice`)
    seen.add(name)
    const dimensions = reader.u32()
    if (dimensions > 4) throw reader.fail(`is damaged: tensor ${name} has ${dimensions} dimensions, more than GGUF's 4`)
    const shape = Array.from({ length: dimensions }, () => Number(reader.bytes(8).readBigUInt64LE()))
    const typeNumber = reader.u32()
    const offset = reader.bytes(8).readBigUInt64LE()
    const type = namesByNumber.get(typeNumber)
    const layout = type ? tensorTypes[type] : unread[typeNumber]
    if (!layout) throw reader.fail(`tensor ${name} has the type number ${typeNumber}, which is unknown`, supported)
    const values = shape.reduce((n, d) => n * d, 1)
    const row = shape[0] ?? 1
    if (!Number.isSafeInteger(values) || values < 1 || row % layout.values !== 0)
      throw reader.fail(
        `is damaged: tensor ${name} cannot have the sizes [${shape.join(', ')}] as ${type ?? typeNumber}`,
      )
    const bytes = (values / layout.values) * layout.bytes
    entries.push({ name, shape: shape.reverse(), type, typeNumber, offset, bytes })
  }
  const aligned = (position: number) => Math.ceil(position / alignment) * alignment
  const base = aligned(reader.position)
  let expected = 0
  const tensors = new Map<string, GgufTensor>()
  for (const { offset, bytes, ...tensor } of entries) {
    if (offset !== BigInt(expected))
      throw reader.fail(`is damaged: tensor ${tensor.name} begins at ${offset} of the data, not at ${expected}`)
    const start = base + expected
    if (start + bytes > reader.size)
      throw reader.fail(`is truncated: tensor ${tensor.name} ends at byte ${start + bytes} of ${reader.size}`)
    tensors.set(tensor.name, { ...tensor, file: reader.path, start, end: start + bytes })
    expected = aligned(expected + bytes)
  }
  return tensors
}
