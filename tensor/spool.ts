import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FloatFile } from './float-file.js'

/** Arrays by name: those that were put first in memory, up to a bound, and the others in files. */
export class Spool {
  private readonly inMemory = new Map<string, Float32Array>()
  private bytes = 0

  /**
   * @param folder  that exists
   * @param bound   bytes that are kept in memory
   */
  constructor(
    private readonly folder: string,
    private readonly bound: number,
  ) {}

  /** Keeps an array, which must not change any more. */
  async put(name: string, data: Float32Array): Promise<void> {
    if (this.bytes + data.byteLength <= this.bound) {
      this.inMemory.set(name, data)
      this.bytes += data.byteLength
      return
    }
    const file = await FloatFile.open(this.path(name), 'w+')
    await file.write(0, data).finally(() => file.close())
  }

  /** Returns an array, and forgets it. */
  async take(name: string): Promise<Float32Array> {
    return this.use(name, async (read, count) => read(0, count))
  }

  /** Works with parts of an array, and forgets it.
   *  @param work  is given how to read elements from one on, and how many there are */
  async use<T>(
    name: string,
    work: (read: (start: number, count: number) => Promise<Float32Array>, count: number) => Promise<T>,
  ): Promise<T> {
    const data = this.inMemory.get(name)
    if (data) {
      const result = await work(async (start, count) => data.subarray(start, start + count), data.length)
      this.inMemory.delete(name)
      this.bytes -= data.byteLength
      return result
    }
    const file = await FloatFile.open(this.path(name), 'r')
    try {
      return await work((start, count) => file.read(start, count), await file.count())
    } finally {
      await file.close()
      await rm(this.path(name))
    }
  }

  private readonly path = (name: string) => join(this.folder, name)
}
