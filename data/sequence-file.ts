import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { writeTensors } from '../tensor/index.js'
import { Failure, type ArtifactRef, type Environment } from '../api/index.js'
import { shuffled } from '../tensor/random.js'

/** Approximate number of tokens that are read or written at once. */
const tokensAtOnce = 2 ** 18

/** Most sequences of a data file: each takes a few bytes of memory. */
export const mostSequences = 2 ** 27

/** Collects sequences on disk, so that memory grows only by a few bytes for each. */
export class SequenceFile {
  private readonly descriptor: number
  private readonly lengths: number[] = []
  private readonly rowsAtOnce: number
  private readonly buffer: Int32Array
  private flushed = 0
  /** Number of tokens of all sequences, without padding. */
  tokens = 0

  /** @param path  a scratch file
   *  @param length  largest number of tokens of a sequence
   *  @param from  the data file that they come from, for messages */
  constructor(
    private readonly path: string,
    readonly length: number,
    private readonly from = '',
    private readonly most = mostSequences,
  ) {
    this.descriptor = openSync(path, 'w+')
    this.rowsAtOnce = Math.max(1, Math.floor(tokensAtOnce / length))
    this.buffer = new Int32Array(this.rowsAtOnce * length)
  }

  get count(): number {
    return this.lengths.length
  }

  /** @throws Failure InvalidInput if there are too many */
  add(ids: readonly number[]): void {
    if (this.count === this.most)
      throw new Failure('InvalidInput', `${this.from}: has more than ${this.most} sequences of ${this.length} tokens`, {
        file: this.from,
        remedy: 'Set prepare.maxSequences to use a part of it, or raise data.sequenceLength.',
      })
    const at = (this.count - this.flushed) * this.length
    this.buffer.fill(0, at, at + this.length).set(ids, at)
    this.lengths.push(ids.length)
    this.tokens += ids.length
    if (this.count - this.flushed === this.rowsAtOnce) this.flush()
  }

  /** Counts the tokens of some of the sequences, without padding. */
  tokensOf(rows: Uint32Array): number {
    return rows.reduce((sum, row) => sum + this.lengths[row]!, 0)
  }

  /** Stores sequences as an artifact for `readSequences`, shuffled by the seed.
   *  @param rows  the sequences to store. Default: all */
  async store(
    context: Pick<Environment, 'putFile'>,
    path: string,
    seed: number,
    rows = Uint32Array.from({ length: this.count }, (_, i) => i),
  ): Promise<ArtifactRef> {
    this.flush()
    const dims = [rows.length, this.length]
    const order = shuffled(rows.length, seed).map((i) => rows[i]!)
    await writeTensors(path, {
      input_ids: { dtype: 'int32', dims, bytes: this.ids(order) },
      mask: { dtype: 'float32', dims, bytes: this.mask(order) },
    })
    return context.putFile('tokens', path)
  }

  /** Removes the scratch file. */
  close(): void {
    closeSync(this.descriptor)
    rmSync(this.path, { force: true })
  }

  private flush(): void {
    const { buffer, length } = this
    const bytes = new Uint8Array(buffer.buffer, 0, (this.count - this.flushed) * length * 4)
    for (let at = 0; at < bytes.length;) at += writeSync(this.descriptor, bytes, at)
    this.flushed = this.count
  }

  private async *ids(order: Uint32Array): AsyncGenerator<Uint8Array> {
    const size = this.length * 4
    for (const rows of this.batches(order)) {
      const bytes = new Uint8Array(rows.length * size)
      rows.forEach((row, i) => readSync(this.descriptor, bytes, i * size, size, row * size))
      yield bytes
    }
  }

  private async *mask(order: Uint32Array): AsyncGenerator<Uint8Array> {
    for (const rows of this.batches(order)) {
      const mask = new Float32Array(rows.length * this.length)
      rows.forEach((row, i) => mask.fill(1, i * this.length, i * this.length + this.lengths[row]!))
      yield new Uint8Array(mask.buffer)
    }
  }

  private *batches(order: Uint32Array): Generator<Uint32Array> {
    for (let i = 0; i < order.length; i += this.rowsAtOnce) yield order.subarray(i, i + this.rowsAtOnce)
  }
}
