import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { Compressors } from 'hyparquet'
import { compressors as library } from 'hyparquet-compressors'

/** Largest unpacked size of a page or of the columns that are read in one row group, in bytes. They are held in memory. */
export const largestUnpacked = 2 ** 30

/** A page may be as large as this however small its packed form is; */
const smallPage = 2 ** 26
/** a larger one must have at least a thousandth of its size in the file. */
const largestRatio = 1000

/** Decompressors that never make more than a page claims, nor more than it can be. */
export const codecs: Compressors = Object.fromEntries(
  Object.entries({
    ...library,
    GZIP: (input: Uint8Array, length: number) => gunzipSync(input, { maxOutputLength: length }),
    BROTLI: (input: Uint8Array, length: number) => brotliDecompressSync(input, { maxOutputLength: length }),
    ZSTD: (input: Uint8Array, length: number) => {
      checkZstd(input, length)
      return library.ZSTD!(input, length)
    },
  }).map(([name, unpack]) => [
    name,
    (input: Uint8Array, length: number) => {
      if (length === 0) return new Uint8Array()
      if (!(length > 0 && length <= Math.min(largestUnpacked, Math.max(smallPage, largestRatio * input.length))))
        throw new Error(`a page of ${length} bytes, packed into ${input.length}`)
      return unpack(input, length)
    },
  ]),
)

/**
 * Checks the headers of Zstandard's frames and blocks (RFC 8878, 3.1.1), since the library makes whatever they ask for. What a
 * compressed block unpacks to is only bounded: 128 KiB.
 * @throws Error if there may be far more than `length` bytes
 */
function checkZstd(input: Uint8Array, length: number): void {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const most = Math.max(2 ** 22, 4 * length)
  let [at, total] = [0, 0]
  while (at < input.length) {
    if (view.getUint32(at, true) !== 0xfd2fb528) throw new Error('a page that is not Zstandard')
    const flags = view.getUint8(at + 4)
    const singleSegment = (flags >> 5) & 1
    at += 5
    if (!singleSegment) {
      const windowLog = 10 + (view.getUint8(at++) >> 3)
      if (windowLog > 27) throw new Error('a page with a window of more than 128 MiB')
    }
    at += [0, 1, 2, 4][flags & 3]!
    const sizeBytes = flags >> 6 ? 1 << (flags >> 6) : singleSegment
    const claimed =
      sizeBytes === 8
        ? Number(view.getBigUint64(at, true))
        : sizeBytes === 4
          ? view.getUint32(at, true)
          : sizeBytes === 2
            ? view.getUint16(at, true) + 256
            : sizeBytes * view.getUint8(at)
    if (claimed > length) throw new Error(`a page of ${claimed} bytes, not ${length}`)
    at += sizeBytes
    for (let isLast = false; !isLast;) {
      const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
      const [type, size] = [(header >> 1) & 3, header >> 3]
      isLast = (header & 1) === 1
      total += type === 2 ? 2 ** 17 : size
      if (total > most) throw new Error(`a page of more than ${length} bytes`)
      at += 3 + (type === 1 ? 1 : size)
    }
    at += flags & 4 ? 4 : 0
  }
}
