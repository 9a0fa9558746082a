import { open, type FileHandle } from 'node:fs/promises'

/** The system reads and writes less than 2 GiB at once. */
const mostBytes = 2 ** 30

/** A file of float32 numbers and nothing else, little-endian, read and written in part. */
export class FloatFile {
  private constructor(private readonly file: FileHandle) {}

  /** @param flags  `r` to read, `w+` to begin anew. @throws Error of the system */
  static async open(path: string, flags: 'r' | 'w+'): Promise<FloatFile> {
    return new FloatFile(await open(path, flags))
  }

  /** Reads `count` numbers from the `start`th on. @throws Error if the file ends before */
  async read(start: number, count: number): Promise<Float32Array> {
    const data = new Float32Array(count)
    const missing = await fillFrom(this.file, new Uint8Array(data.buffer), 4 * start)
    if (missing > 0) throw new Error(`The file ends ${missing} bytes too early`)
    return data
  }

  /** Writes numbers from the `start`th on. */
  async write(start: number, { buffer, byteOffset, byteLength }: Float32Array): Promise<void> {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength)
    for (let done = 0; done < bytes.length;) {
      const length = Math.min(mostBytes, bytes.length - done)
      done += (await this.file.write(bytes, done, length, 4 * start + done)).bytesWritten
    }
  }

  /** How many numbers it has. */
  async count(): Promise<number> {
    return (await this.file.stat()).size / 4
  }

  /** Waits until what was written would survive the machine. */
  async sync(): Promise<void> {
    await this.file.sync()
  }

  async close(): Promise<void> {
    await this.file.close()
  }
}

/** Fills an array from a position of a file on. @returns how many bytes are missing, because the file ends before */
export async function fillFrom(file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, Math.min(mostBytes, into.length - done), position + done)
    if (bytesRead === 0) return into.length - done
    done += bytesRead
  }
  return 0
}
