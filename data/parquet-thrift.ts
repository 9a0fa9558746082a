import { readVarInt } from 'hyparquet/src/thrift.js'

/** Structures and lists within each other. Schemas of columns are flat, so nesting does not make a header deep. */
const mostNested = 16

interface Reader {
  readonly view: DataView
  offset: number
}

/**
 * Checks that a header in Thrift's compact protocol has room for the lists that it announces. The library allocates them first.
 * @param reader  where the header begins; it is left there
 * @throws Error with the reason
 */
export function checkThrift({ view, offset }: Reader): void {
  skipStruct({ view, offset }, 0)
}

function skipStruct(reader: Reader, depth: number): void {
  if (depth > mostNested) throw new Error('a header that is nested too deeply')
  for (;;) {
    const byte = reader.view.getUint8(reader.offset++)
    if ((byte & 15) === 0) return
    if (byte >> 4 === 0) readVarInt(reader)
    skip(reader, byte & 15, depth)
  }
}

function skip(reader: Reader, type: number, depth: number): void {
  const left = () => reader.view.byteLength - reader.offset
  switch (type) {
    case 1: // true
    case 2: // false
      return
    case 3: // a byte
      reader.offset++
      return
    case 4: // integers of 16, 32 and 64 bits
    case 5:
    case 6:
      while (reader.view.getUint8(reader.offset++) & 0x80);
      return
    case 7: // a float of 64 bits
      reader.offset += 8
      return
    case 8: {
      const length = readVarInt(reader)
      if (!(length >= 0 && length <= left())) throw new Error('a header with a text that goes beyond it')
      reader.offset += length
      return
    }
    case 9: {
      const head = reader.view.getUint8(reader.offset++)
      const count = head >> 4 === 15 ? readVarInt(reader) : head >> 4
      // Every item takes a byte at least.
      if (!(count >= 0 && count <= left())) throw new Error('a header with a list that goes beyond it')
      const item = head & 15
      for (let i = 0; i < count; i++) skip(reader, item === 1 || item === 2 ? 3 : item, depth + 1)
      return
    }
    case 12:
      return skipStruct(reader, depth + 1)
    default:
      throw new Error('a header of an unknown type')
  }
}
