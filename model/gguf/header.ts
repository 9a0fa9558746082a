import { readSync } from 'node:fs'
import { Failure } from '../../api/index.js'

/** Largest header in bytes. With the largest vocabularies, headers have about 15 MB. */
const largestHeader = 256 * 2 ** 20
const chunk = 4 * 2 ** 20

/** Reads the numbers and texts of a file's header in turn, a chunk of the file at a time. Anything that claims to be longer than
 *  the rest of the file is refused before memory is allocated for it. */
export class HeaderReader {
  private buffer = Buffer.alloc(0)
  /** Offset of `buffer` in the file. */
  private base = 0
  private at = 0
  /** What is being read, for messages. */
  what = 'its header'

  constructor(
    private readonly descriptor: number,
    readonly path: string,
    readonly size: number,
  ) {}

  /** Number of bytes read so far. */
  get position(): number {
    return this.base + this.at
  }

  /** Number of bytes that may follow. */
  get left(): number {
    return Math.min(this.size, largestHeader) - this.position
  }

  fail(message: string, remedy = 'Copy the file from its source again.'): Failure {
    return new Failure('InvalidInput', `${this.path}: ${message}`, { file: this.path, remedy })
  }

  /** The next bytes, valid until the next call. */
  bytes(length: number): Buffer {
    const start = this.take(length)
    return this.buffer.subarray(start, start + length)
  }

  /** Advances by `length` bytes. Numbers and texts are read from `buffer` directly: there may be hundreds of thousands, and a
   *  view for each would be slow.
   *  @returns where the bytes begin in `buffer` */
  private take(length: number): number {
    if (length > this.left) {
      if (this.position + length > this.size)
        throw this.fail(`is truncated within ${this.what}: it ends at byte ${this.size}`)
      throw this.fail(`has a header of more than ${largestHeader} bytes at ${this.what}`)
    }
    if (this.at + length > this.buffer.length) this.more(length)
    this.at += length
    return this.at - length
  }

  private more(length: number): void {
    const start = this.position
    const fresh = Buffer.allocUnsafe(Math.min(Math.max(length, chunk), this.size - start))
    for (let got = 0; got < fresh.length;) {
      const read = readSync(this.descriptor, fresh, got, fresh.length - got, start + got)
      if (read === 0) throw this.fail(`is truncated within ${this.what}`)
      got += read
    }
    ;[this.buffer, this.base, this.at] = [fresh, start, 0]
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.take(4))
  }

  /** Reads a 64-bit number of entries that have at least `least` bytes each. */
  count(least: number): number {
    const start = this.take(8)
    const low = this.buffer.readUInt32LE(start)
    if (this.buffer.readUInt32LE(start + 4) > 0 || low > this.left / least) {
      const value = this.buffer.readBigUInt64LE(start)
      throw this.fail(`is truncated or damaged: ${this.what} claims ${value} entries, ${this.left} bytes are left`)
    }
    return low
  }

  string(): string {
    const length = this.count(1)
    const start = this.take(length)
    return this.buffer.toString('utf8', start, start + length)
  }
}
