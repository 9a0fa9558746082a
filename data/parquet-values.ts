import { readVarInt } from 'hyparquet/src/thrift.js'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'

/** Values that writers may add to fill the last run of packed bits. */
const padding = 1024

/**
 * Walks the levels and values of an unpacked page before the library decodes them: it makes as many as the page announces.
 */
export class PageWalk {
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get #left(): number {
    return this.#view.byteLength - this.#offset
  }

  skip(bytes: number): void {
    this.#offset += bytes
  }

  /** Levels with their length before them. @returns how many of them are `top` */
  levels(count: number, top: number): number {
    const length = this.#view.getUint32(this.#offset, true)
    this.#offset += 4
    return this.levelsOf(length, count, top)
  }

  /** Levels whose length is known. @returns how many of them are `top` */
  levelsOf(length: number, count: number, top: number): number {
    if (length > this.#left) throw new Error('a page whose levels lie outside of it')
    const end = this.#offset + length
    const equal = this.#runs(32 - Math.clz32(top), count, end, top)
    this.#offset = end
    return equal
  }

  /**
   * Values in an encoding.
   * @param count  of the values that are not null
   * @param isV2   of a page of version 2, whose booleans have no other encoding than RLE
   */
  values(encoding: string, type: string, count: number, width: number | undefined, isV2: boolean): void {
    switch (encoding) {
      case 'PLAIN':
      case 'BYTE_STREAM_SPLIT':
        if (count * bytesPerValue(type, width) > this.#left) throw new Error('a page without its values')
        return
      case 'RLE':
        if (type !== 'BOOLEAN') break
        this.#offset += 4
        this.#runs(1, count, this.#view.byteLength)
        return
      case 'PLAIN_DICTIONARY':
      case 'RLE_DICTIONARY': {
        if (count === 0 && this.#left === 0) return
        const bits = type === 'BOOLEAN' && !isV2 ? 1 : this.#view.getUint8(this.#offset++)
        if (bits > 32) throw new Error(`a page with indices of ${bits} bits`)
        if (bits > 0 || isV2) this.#runs(bits, count, this.#view.byteLength)
        return
      }
      case 'DELTA_BINARY_PACKED':
      case 'DELTA_LENGTH_BYTE_ARRAY':
        this.#checkDelta()
        return
      case 'DELTA_BYTE_ARRAY':
        this.#checkPrefixes(count)
        return
    }
    throw new Error(`a page in the encoding ${encoding}`)
  }

  /** Runs of one value or of packed bits. @returns how many values are `top` */
  #runs(bits: number, count: number, end: number, top?: number): number {
    const reader = { view: this.#view, offset: this.#offset }
    let [seen, equal] = [0, 0]
    while (seen < count) {
      if (reader.offset >= end) throw new Error('a page that ends within its values')
      const header = readVarInt(reader)
      const run = header & 1 ? (header >>> 1) * 8 : header >>> 1
      const most = count - seen
      if (run > most + (header & 1 ? padding : 0)) throw new Error(`a run of ${run} values where ${most} are left`)
      if (header & 1) {
        for (let i = 0; top !== undefined && i < Math.min(run, most); i++)
          if (bitsAt(reader.view, reader.offset, i * bits, bits) === top) equal++
        reader.offset += ((header >>> 1) * bits) | 0
      } else {
        let value = 0
        for (let i = 0; i < (bits + 7) >> 3; i++) value |= reader.view.getUint8(reader.offset++) << (8 * i)
        if (value === top) equal += run
      }
      seen += run
    }
    return equal
  }

  /** Checks the header of delta-encoded integers: blocks of no values would be read for ever. */
  #checkDelta(): void {
    const reader = { view: this.#view, offset: this.#offset }
    const [block, parts] = [readVarInt(reader), readVarInt(reader)]
    if (!(block > 0 && block <= 2 ** 20 && parts > 0 && block % parts === 0))
      throw new Error(`a page of blocks of ${block} values in ${parts} parts`)
  }

  /** Each text repeats the beginning of the one before: the sum of their lengths has no bound. */
  #checkPrefixes(count: number): void {
    const reader = { view: this.#view, offset: this.#offset }
    const lengths = () => {
      const values = new Int32Array(count)
      this.#offset = reader.offset
      this.#checkDelta()
      if (count > 0) deltaBinaryUnpack(reader, count, values)
      return values
    }
    const [prefixes, suffixes] = [lengths(), lengths()]
    let [before, total] = [0, 0]
    for (const [i, prefix] of prefixes.entries()) {
      if (!(prefix >= 0 && prefix <= before && suffixes[i]! >= 0)) throw new Error('a text with a wrong length')
      total += before = prefix + suffixes[i]!
    }
    if (total > largestDelta * this.#view.byteLength + 2 ** 24)
      throw new Error(`${total} characters of text in a page of ${this.#view.byteLength} bytes`)
  }
}

/** Largest size of texts that share their beginnings, in bytes per byte of the page. */
const largestDelta = 64

/** A lower bound, exact for types of fixed size. */
function bytesPerValue(type: string, width: number | undefined): number {
  switch (type) {
    case 'BOOLEAN':
      return 1 / 8
    case 'INT64':
    case 'DOUBLE':
      return 8
    case 'INT96':
      return 12
    case 'FIXED_LEN_BYTE_ARRAY':
      if (!(width !== undefined && width > 0)) throw new Error('values without a size')
      return width
    default:
      return 4
  }
}

/** At most 8 bits, as levels have. Bits beyond the page are 0. */
function bitsAt(view: DataView, from: number, at: number, bits: number): number {
  const byte = from + (at >> 3)
  const low = byte < view.byteLength ? view.getUint8(byte) : 0
  const high = byte + 1 < view.byteLength ? view.getUint8(byte + 1) : 0
  return (((high << 8) | low) >> (at & 7)) & ((1 << bits) - 1)
}
