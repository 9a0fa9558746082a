import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { decays } from './adamw.js'
import type { AdamWSession } from './adamw-session.js'
import { FloatFile } from './float-file.js'
import { elements } from './types.js'

/** Parameters that are read and trained at one time. */
export interface StoredPart {
  /** Unique; a file name. */
  readonly name: string
  /** Shapes by name, in the order in which they are stored. */
  readonly shapes: Readonly<Record<string, readonly number[]>>
}

/** Parameters by name. */
export type Arrays = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>

/** What finds the files of a step again, and shows whether they are whole. */
export interface StoredStep {
  /** Completed steps. */
  readonly step: number
  /** CRC-32 of each part's parameters, first and second moments, by name. */
  readonly checksums: Readonly<Record<string, readonly number[]>>
}

/** Elements that are updated at once. */
const sliceSize = 2 ** 20

/**
 * Parameters and their moments in files, one for each part and step: parameters, first moments, second moments. Files of a step
 * never change: those of the step before are removed when whoever trains has recorded the new ones.
 */
export class StoredParameters {
  private constructor(
    private readonly folder: string,
    private readonly parts: readonly StoredPart[],
    private stored: StoredStep,
  ) {}

  /** Begins with these values and moments of 0. */
  static async begin(
    folder: string,
    parts: readonly StoredPart[],
    initial: (part: StoredPart) => Promise<Readonly<Record<string, { readonly data: Float32Array }>>>,
  ): Promise<StoredParameters> {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    const checksums: Record<string, readonly number[]> = {}
    for (const part of parts) {
      const values = await initial(part)
      checksums[part.name] = await writeState(join(folder, fileOf(part, 0)), part, async (name, start, count) => {
        const zeros = new Float32Array(count)
        return [values[name]!.data.subarray(start, start + count), zeros, zeros]
      })
    }
    return new StoredParameters(folder, parts, { step: 0, checksums })
  }

  /** Goes on from a step; undefined if its files are not there or damaged. */
  static async resume(
    folder: string,
    parts: readonly StoredPart[],
    stored: StoredStep,
  ): Promise<StoredParameters | undefined> {
    const own = new StoredParameters(folder, parts, stored)
    for (const part of parts) if (!(await own.isWhole(part))) return undefined
    await own.removeOthers()
    return own
  }

  /** Completed steps. */
  get step(): number {
    return this.stored.step
  }

  /** Reads a part's parameters. */
  async parameters(part: StoredPart): Promise<Arrays> {
    const file = await this.open(part)
    try {
      const all = await file.read(0, sizeOf(part))
      let start = 0
      return Object.fromEntries(
        Object.entries(part.shapes).map(([name, shape]) => {
          const data = all.subarray(start, (start += elements(shape)))
          return [name, { shape, data }]
        }),
      )
    } finally {
      await file.close()
    }
  }

  /**
   * Trains all parts by one step.
   *
   * @param norm      global norm of the gradients
   * @param gradient  works with a part's gradient, which is in the order of the part
   * @param record    keeps what finds the new files again: only then are the old ones removed
   */
  async update(
    optimiser: AdamWSession,
    norm: number,
    gradient: (
      part: StoredPart,
      work: (read: (start: number, count: number) => Promise<Float32Array>) => Promise<void>,
    ) => Promise<void>,
    record: (stored: StoredStep) => Promise<void>,
  ): Promise<void> {
    const { step } = this
    const checksums: Record<string, readonly number[]> = {}
    for (const part of this.parts)
      await gradient(part, async (read) => {
        const before = await this.open(part)
        const size = sizeOf(part)
        try {
          const path = join(this.folder, fileOf(part, step + 1))
          checksums[part.name] = await writeState(path, part, async (name, start, count, at) => {
            const [parameter, first, second] = await Promise.all(
              [0, 1, 2].map((k) => before.read(k * size + at, count)),
            )
            const slice = { parameter: parameter!, first: first!, second: second!, gradient: await read(at, count) }
            const updated = await optimiser.update(slice, { step, norm, decays: decays(part.shapes[name]!) })
            return [updated.parameter, updated.first, updated.second]
          })
        } finally {
          await before.close()
        }
      })
    const stored = { step: step + 1, checksums }
    await record(stored)
    this.stored = stored
    await this.removeOthers()
  }

  /** What finds the files of the present step again. */
  get current(): StoredStep {
    return this.stored
  }

  private open = (part: StoredPart) => FloatFile.open(join(this.folder, fileOf(part, this.step)), 'r')

  private async isWhole(part: StoredPart): Promise<boolean> {
    const file = await this.open(part).catch(() => undefined)
    if (!file) return false
    try {
      const size = sizeOf(part)
      if ((await file.count()) !== 3 * size) return false
      for (const [section, expected] of (this.stored.checksums[part.name] ?? [NaN]).entries()) {
        let sum = 0
        for (let at = 0; at < size; at += sliceSize)
          sum = crc32(bytesIn(await file.read(section * size + at, Math.min(sliceSize, size - at))), sum)
        if (sum !== expected) return false
      }
      return true
    } finally {
      await file.close()
    }
  }

  /** Removes files of other steps. */
  private async removeOthers(): Promise<void> {
    const own = new Set(this.parts.map((part) => fileOf(part, this.step)))
    for (const name of await readdir(this.folder)) if (!own.has(name)) await rm(join(this.folder, name))
  }
}

const fileOf = ({ name }: StoredPart, step: number): string => `${name}.${step}`

const sizeOf = ({ shapes }: StoredPart): number => Object.values(shapes).reduce((n, shape) => n + elements(shape), 0)

const bytesIn = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength)

/**
 * Writes a part's file, slice by slice. It appears whole or not at all.
 *
 * @param values  returns elements of parameters, first and second moments. `start` counts from the parameter's own first, `at`
 *                from the part's
 * @returns the checksums
 */
async function writeState(
  path: string,
  part: StoredPart,
  values: (name: string, start: number, count: number, at: number) => Promise<readonly Float32Array[]>,
): Promise<number[]> {
  const temporary = `${path}.tmp`
  const file = await FloatFile.open(temporary, 'w+')
  const size = sizeOf(part)
  const sums = [0, 0, 0]
  try {
    let first = 0
    for (const [name, shape] of Object.entries(part.shapes)) {
      const count = elements(shape)
      for (let start = 0; start < count; start += sliceSize) {
        const at = first + start
        const slices = await values(name, start, Math.min(sliceSize, count - start), at)
        for (const [section, data] of slices.entries()) {
          sums[section] = crc32(bytesIn(data), sums[section])
          await file.write(section * size + at, data)
        }
      }
      first += count
    }
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  return sums
}
