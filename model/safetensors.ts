import { open } from 'node:fs/promises'
import { Failure } from '../plugins/api/index.js'
import { fromBfloat16, fromFloat16 } from '../tensor/index.js'

/** Where a tensor lies in a file. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** Bytes from the file's begin. */
  readonly start: number
  readonly end: number
}

const sizes: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
}
const largestHeader = 100 * 2 ** 20

/** A safetensors file read by ranges: only the header is held. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    readonly tensors: ReadonlyMap<string, TensorEntry>,
  ) {}

  /** Reads and checks the header. @throws Failure InvalidInput when the file is truncated or inconsistent */
  static async open(path: string): Promise<SafetensorsFile> {
    const bad = (message: string) =>
      new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy: 'Copy the file from its source again.' })
    const file = await open(path, 'r').catch((error: Error) => {
      throw bad(`cannot be opened: ${error.message}`)
    })
    try {
      const { size } = await file.stat()
      const head = Buffer.alloc(8)
      if (size < 8 || (await file.read(head, 0, 8, 0)).bytesRead < 8) throw bad('is truncated: no header')
      const length = head.readBigUInt64LE()
      if (length > largestHeader || Number(length) > size - 8)
        throw bad(`is truncated or no safetensors file: its header claims ${length} bytes, the file has ${size}`)
      const text = Buffer.alloc(Number(length))
      await file.read(text, 0, text.length, 8)
      let header: Record<string, unknown>
      try {
        header = JSON.parse(text.toString('utf8')) as Record<string, unknown>
      } catch {
        throw bad('has a header that is not JSON')
      }
      const tensors = new Map<string, TensorEntry>()
      for (const [name, value] of Object.entries(header)) {
        if (name === '__metadata__') continue
        tensors.set(name, checkEntry(name, value, 8 + text.length, size, bad))
      }
      const sorted = [...tensors.values()].sort((a, b) => a.start - b.start)
      sorted.forEach((entry, i) => {
        if (i > 0 && entry.start < sorted[i - 1]!.end)
          throw bad(`tensors ${sorted[i - 1]!.name} and ${entry.name} overlap`)
      })
      return new SafetensorsFile(path, tensors)
    } finally {
      await file.close()
    }
  }

  /** A floating-point tensor as float32. */
  async read(name: string): Promise<Float32Array> {
    const entry = this.tensors.get(name)!
    const file = await open(this.path, 'r')
    try {
      // Memory of its own, so that it is aligned for every type.
      const bytes = new Uint8Array(entry.end - entry.start)
      let at = 0
      while (at < bytes.length) {
        const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), entry.start + at)
        if (bytesRead === 0)
          throw new Failure('InvalidInput', `${this.path}: is truncated within ${name}`, { file: this.path })
        at += bytesRead
      }
      if (entry.dtype === 'F32') return new Float32Array(bytes.buffer)
      if (entry.dtype === 'F16') return fromFloat16(new Uint16Array(bytes.buffer))
      if (entry.dtype === 'BF16') return fromBfloat16(new Uint16Array(bytes.buffer))
    } finally {
      await file.close()
    }
    throw new Failure('InvalidInput', `${this.path}: tensor ${name} has the type ${entry.dtype}`, {
      file: this.path,
      remedy: 'Supported: F32, F16 and BF16.',
    })
  }
}

function checkEntry(
  name: string,
  value: unknown,
  base: number,
  size: number,
  bad: (m: string) => Failure,
): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  const whole = (n: unknown): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every(whole))
    throw bad(`tensor ${name} has no type and shape`)
  const bytes = sizes[dtype]
  if (bytes === undefined) throw bad(`tensor ${name} has the unknown type ${dtype}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole))
    throw bad(`tensor ${name} has no offsets`)
  const [start, end] = offsets as [number, number]
  const expected = shape.reduce((n, d) => n * d, bytes)
  if (end - start !== expected)
    throw bad(`tensor ${name} ${dtype} [${shape.join(', ')}] needs ${expected} bytes, but has ${end - start}`)
  if (base + end > size) throw bad(`is truncated: tensor ${name} ends at byte ${base + end} of ${size}`)
  return { name, dtype, shape, start: base + start, end: base + end }
}
