import { open } from 'node:fs/promises'
import { Failure } from '../api/index.js'
import { refuseStandIn } from '../files/stand-in.js'
import { writeTensorBytes, type TensorBytes } from '../tensor/file.js'
import { fillFrom } from '../tensor/float-file.js'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../tensor/index.js'
import { entryOf } from '../errors/foreign.js'

/** A tensor's place in a file. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** First byte of the data in the file. */
  readonly start: number
  /** Byte after the data. */
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
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
}
const largestHeader = 100 * 2 ** 20
const copyAgain = 'Copy the file from its source again.'

/** Types of checkpoints, with safetensors' names. */
const checkpointTypes = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const
/** Type in which a checkpoint stores its tensors. */
export type CheckpointType = keyof typeof checkpointTypes

/** A safetensors file. Only its header is in memory; tensors are read one by one.
 *  @source https://github.com/huggingface/safetensors#format */
export class SafetensorsFile {
  private constructor(
    /** Path of the file. */
    readonly path: string,
    /** Entries of the tensors, by name. */
    readonly tensors: ReadonlyMap<string, TensorEntry>,
  ) {}

  /** Reads and checks the header. @throws Failure InvalidInput if the file is truncated or inconsistent */
  static async open(path: string): Promise<SafetensorsFile> {
    const bad = (message: string) =>
      new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy: copyAgain })
    refuseStandIn(path)
    const file = await open(path, 'r').catch((error: Error) => {
      throw bad(`cannot be opened: ${error.message}`)
    })
    try {
      const stat = await file.stat()
      if (!stat.isFile()) throw bad('is not a file')
      const head = new Uint8Array(8)
      if ((await fillFrom(file, head, 0)) > 0) throw bad(`is truncated: it has only ${stat.size} bytes`)
      const length = new DataView(head.buffer).getBigUint64(0, true)
      if (length > stat.size - 8)
        throw bad(
          `is truncated or not a safetensors file: its header claims ${length} bytes, the file has ${stat.size}`,
        )
      if (length > largestHeader) throw bad(`has a header of ${length} bytes; at most ${largestHeader} are read`)
      const text = new Uint8Array(Number(length))
      if ((await fillFrom(file, text, 8)) > 0) throw bad('is truncated within its header')
      return new SafetensorsFile(path, checkHeader(parseHeader(text, bad), 8 + text.length, stat.size, bad))
    } finally {
      await file.close()
    }
  }

  /** Returns why `read` would refuse a tensor; undefined if it would not. */
  refusal(name: string): { readonly message: string; readonly remedy: string } | undefined {
    const { dtype } = this.tensors.get(name)!
    if (dtype === 'F32' || dtype === 'F16' || dtype === 'BF16') return undefined
    return { message: `has the type ${dtype}`, remedy: 'Use a checkpoint in F32, F16 or BF16.' }
  }

  /** Reads a floating-point tensor as float32.
   *  @throws Failure InvalidInput if it has another type, is truncated, or contains NaN or infinity */
  async read(name: string): Promise<Float32Array> {
    const entry = this.tensors.get(name)
    if (!entry) throw new Error(`${this.path} has no tensor ${name}`)
    const bad = (message: string, remedy: string) =>
      new Failure('InvalidInput', `${this.path}: tensor ${name} ${message}`, { file: this.path, remedy })
    const refusal = this.refusal(name)
    if (refusal) throw bad(refusal.message, refusal.remedy)
    // Newly allocated memory is aligned for every type.
    const bytes = new Uint8Array(entry.end - entry.start)
    const file = await open(this.path, 'r')
    try {
      if ((await fillFrom(file, bytes, entry.start)) > 0) throw bad('is truncated', copyAgain)
    } finally {
      await file.close()
    }
    const values =
      entry.dtype === 'F32'
        ? new Float32Array(bytes.buffer)
        : (entry.dtype === 'F16' ? fromFloat16 : fromBfloat16)(new Uint16Array(bytes.buffer))
    if (!allFinite(values)) throw bad('holds NaN or infinity', 'The checkpoint is damaged: copy or train it again.')
    return values
  }
}

/** A tensor to be written. */
export interface TensorSource {
  /** Name in the file. */
  readonly name: string
  /** Sizes of the axes. */
  readonly shape: readonly number[]
  /** Returns the data, row-major. Called after all tensors before it have been written. */
  readonly values: () => Float32Array | Promise<Float32Array>
}

/**
 * Writes a safetensors file tensor by tensor, with at most one in memory. The file appears complete or not at all (temporary
 * file, then rename).
 *
 * @throws Failure NonFinite if a value does not fit the type
 */
export async function writeSafetensors(
  path: string,
  sources: readonly TensorSource[],
  dtype: CheckpointType,
): Promise<void> {
  const type = checkpointTypes[dtype]
  const tensors = sources.map(({ name, shape, values }): TensorBytes => {
    const elements = shape.reduce((n, d) => n * d, 1)
    async function* bytes() {
      const data = await values()
      if (data.length !== elements)
        throw new Error(`Internal error: tensor ${name} has ${data.length} elements, not [${shape.join(', ')}]`)
      const encoded = encode(data, dtype, name)
      yield new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength)
    }
    return { name, type, shape, size: elements * sizes[type]!, bytes }
  })
  // transformers refuses to open a file that does not name its framework; `pt` is PyTorch.
  await writeTensorBytes(path, tensors, { format: 'pt' })
}

function encode(data: Float32Array, dtype: CheckpointType, name: string): Float32Array | Uint16Array {
  if (!allFinite(data)) throw new Failure('NonFinite', `tensor ${name} holds NaN or infinity`)
  if (dtype === 'float32') return data
  if (dtype === 'bfloat16') return toBfloat16(data)
  const halves = toFloat16(data)
  if (halves.some((half) => (half & 0x7fff) === 0x7c00))
    throw new Failure('NonFinite', `tensor ${name} has values beyond 65,504, the largest of float16`, {
      remedy: 'Write it as bfloat16 or float32.',
    })
  return halves
}

function allFinite(values: Float32Array): boolean {
  // x * 0 is 0 unless x is NaN or infinite: summing is much faster than testing each value.
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0
  return sum === 0
}

function parseHeader(text: Uint8Array, bad: (message: string) => Failure): object {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
  } catch {
    throw bad('has a header that is not JSON')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw bad('has a header that is not a JSON object')
  return header
}

/** Returns the entries by name. They must cover the data without overlaps or gaps. */
function checkHeader(
  header: object,
  base: number,
  size: number,
  bad: (message: string) => Failure,
): Map<string, TensorEntry> {
  const tensors = new Map<string, TensorEntry>()
  for (const [name, value] of Object.entries(header))
    if (name !== '__metadata__') tensors.set(name, checkEntry(name, value, base, size, bad))
  let [end, before] = [base, 'the header']
  for (const entry of [...tensors.values()].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start < end) throw bad(`tensors ${before} and ${entry.name} overlap`)
    if (entry.start > end)
      throw bad(`has ${entry.start - end} bytes that belong to no tensor before tensor ${entry.name}`)
    ;[end, before] = [entry.end, entry.name]
  }
  if (end !== size) throw bad(`has ${size - end} bytes that belong to no tensor at its end`)
  return tensors
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
  const bytes = entryOf(sizes, dtype)
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
