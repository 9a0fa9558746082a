import { open, rename, rm } from 'node:fs/promises'
import { elements } from '../../tensor/index.js'
import { bytesOf, encode, type WrittenType } from './write-encode.js'
import { defaultAlignment, tensorTypes, valueTypes, type ValueType } from './types.js'

/** A key's value. */
export type KeyValue =
  | { readonly type: Exclude<ValueType, 'array' | 'string' | 'bool' | 'u64' | 'i64'>; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'array'; readonly of: 'string'; readonly values: readonly string[] }
  | { readonly type: 'array'; readonly of: 'u32' | 'i32' | 'f32'; readonly values: readonly number[] }
  | { readonly type: 'array'; readonly of: 'bool'; readonly values: readonly boolean[] }

/** A tensor to be written. Its values are read only when it is written. */
export interface GgufTensor {
  readonly name: string
  /** Shape with the row length last, as everywhere in puzzleflow; the file has it first. */
  readonly shape: readonly number[]
  readonly type: WrittenType
  readonly values: () => Float32Array | Promise<Float32Array>
}

const longestName = 63

/**
 * Writes a GGUF file (version 3) tensor by tensor, with at most one in memory. The file appears complete or not at all
 * (temporary file, then rename).
 * @returns its size in bytes
 */
export async function writeGgufFile(
  path: string,
  keys: ReadonlyMap<string, KeyValue>,
  tensors: readonly GgufTensor[],
): Promise<number> {
  const head = header(keys, tensors)
  const temporary = `${path}.${process.pid}.tmp`
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(head)
    let at = head.length
    for (const { name, shape, type, values } of tensors) {
      const data = await values()
      if (data.length !== elements(shape))
        throw new Error(`Internal error: tensor ${name} has ${data.length} values, not [${shape.join(', ')}]`)
      const padded = aligned(bytesOf(type, data.length))
      await file.writeFile(encode(data, type, name))
      await file.writeFile(new Uint8Array(padded - bytesOf(type, data.length)))
      at += padded
    }
    await file.sync()
    await file.close()
    await rename(temporary, path)
    return at
  } catch (error) {
    await file.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}

const aligned = (n: number): number => Math.ceil(n / defaultAlignment) * defaultAlignment

/** Everything before the data, padded to the alignment. */
function header(keys: ReadonlyMap<string, KeyValue>, tensors: readonly GgufTensor[]): Buffer {
  const parts: Buffer[] = [Buffer.from('GGUF'), number('u32', 3), long(tensors.length), long(keys.size)]
  for (const [name, value] of keys) parts.push(text(name), number('u32', valueTypes[value.type]), encoded(value))
  let offset = 0
  for (const { name, shape, type } of tensors) {
    if (Buffer.byteLength(name) > longestName) throw new Error(`Internal error: the tensor name ${name} is too long`)
    parts.push(text(name), number('u32', shape.length), ...[...shape].reverse().map(long))
    parts.push(number('u32', tensorTypes[type].number), long(offset))
    offset += aligned(bytesOf(type, elements(shape)))
  }
  const bytes = Buffer.concat(parts)
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)])
}

function encoded(value: KeyValue): Buffer {
  if (value.type === 'string') return text(value.value)
  if (value.type === 'bool') return Buffer.of(value.value ? 1 : 0)
  if (value.type !== 'array') return number(value.type, value.value)
  const { of, values } = value
  const head = [number('u32', valueTypes[of]), long(values.length)]
  if (of === 'string') return Buffer.concat(head.concat(values.map(text)))
  if (of === 'bool') return Buffer.concat([...head, Buffer.from(values.map((own) => (own ? 1 : 0)))])
  return Buffer.concat(head.concat(values.map((own) => number(of, own))))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([long(bytes.length), bytes])
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

type NumberType = Exclude<ValueType, 'array' | 'string' | 'bool' | 'u64' | 'i64'>

const sizes: Readonly<Record<NumberType, number>> = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, f64: 8 }

function number(type: NumberType, value: number): Buffer {
  const bytes = Buffer.alloc(sizes[type])
  if (type === 'f32') bytes.writeFloatLE(value)
  else if (type === 'f64') bytes.writeDoubleLE(value)
  else if (type.startsWith('u')) bytes.writeUIntLE(value, 0, bytes.length)
  else bytes.writeIntLE(value, 0, bytes.length)
  return bytes
}
