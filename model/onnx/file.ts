import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesOf, type DType, type TypedArray } from '../../tensor/types.js'
import { elements } from '../../tensor/index.js'
import { encodeAround, type GraphRecord, type LateData } from '../../tensor/onnx.js'

/** A tensor whose data is read only when it is written. */
export interface LateTensor {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: () => Promise<TypedArray>
}

export const graphFile = 'model.onnx'
export const dataFile = 'model.onnx.data'

/** Tensors in the data file begin at multiples of this many bytes, so that they can be mapped into memory. */
const alignment = 4096

const sizeOf = ({ dtype, shape }: LateTensor): number => elements(shape) * bytesOf[dtype]

/**
 * Writes a model one tensor at a time.
 * @param largest  total size of the tensors in bytes up to which they are inside the model; larger ones are in
 *                 `model.onnx.data`
 * @returns the sizes of the files in bytes, by name
 */
export async function writeFiles(
  folder: string,
  graph: GraphRecord,
  domains: readonly string[],
  tensors: readonly LateTensor[],
  largest: number,
): Promise<Record<string, number>> {
  const within = tensors.reduce((n, tensor) => n + sizeOf(tensor), 0) <= largest
  let offset = 0
  const late = tensors.map((tensor) => {
    const bytes = sizeOf(tensor)
    const start = Math.ceil(offset / alignment) * alignment
    if (!within) offset = start + bytes
    const data: LateData = within ? { bytes } : { file: dataFile, offset: start, bytes }
    return { tensor, data }
  })
  const { pieces, bytes } = encodeAround(graph, domains, late)
  const model = await open(join(folder, graphFile), 'wx')
  const data = within ? undefined : await open(join(folder, dataFile), 'wx')
  try {
    await model.writeFile(pieces[0]!)
    for (const [i, { tensor, data: place }] of late.entries()) {
      await model.writeFile(pieces[i + 1]!)
      const values = await tensor.data()
      if (values.byteLength !== place.bytes)
        throw new Error(`Internal error: ${tensor.name} has ${values.byteLength} bytes instead of ${place.bytes}`)
      const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      if (!('file' in place)) await model.writeFile(raw)
      else await writeAt(data!, raw, place.offset)
    }
    await model.sync()
    await data?.sync()
  } finally {
    await model.close()
    await data?.close()
  }
  return { [graphFile]: bytes, ...(!within && { [dataFile]: offset }) }
}

async function writeAt(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, 2 ** 30), position + done)
    done += bytesWritten
  }
}
