import { join } from 'node:path'
import { Failure, type ArtifactRef, type Environment } from '../api/index.js'
import { fromFloat16, readTensors, toFloat16, writeTensors } from '../tensor/index.js'

/** Hidden states of tokens, as 16-bit floats with a scale for each token, since residuals of some models exceed 65,504. */
export class HiddenStates {
  constructor(
    readonly tokens: number,
    readonly size: number,
    private readonly values: Uint16Array,
    private readonly scales: Float32Array,
  ) {}

  /** Creates zeros, to be filled by `set`. */
  static empty(tokens: number, size: number): HiddenStates {
    return new HiddenStates(tokens, size, new Uint16Array(tokens * size), new Float32Array(tokens))
  }

  /** Reads an artifact that `put` stored. */
  static async read(path: string): Promise<HiddenStates> {
    const { x, scale } = (await readTensors(path)).tensors
    return new HiddenStates(x!.dims[0]!, x!.dims[1]!, x!.data as Uint16Array, scale!.data as Float32Array)
  }

  /** Stores the states as an artifact. */
  async put(context: Pick<Environment, 'putFile'>, scratch: string, name: string): Promise<ArtifactRef> {
    const path = join(scratch, name)
    await writeTensors(path, {
      x: { dtype: 'float16', dims: [this.tokens, this.size], data: this.values },
      scale: { dtype: 'float32', dims: [this.tokens], data: this.scales },
    })
    return context.putFile('hidden-states', path)
  }

  /** Copies rows, [tokens, size], to token `start` and those after it.
   *  @returns the sums of the squared rounding errors and of the squares
   *  @throws Failure NonFinite for NaN or infinity */
  set(start: number, rows: Float32Array, what: string): { error: number; power: number } {
    const { size } = this
    const scaled = new Float32Array(rows.length)
    for (let t = 0; t < rows.length / size; t++) {
      let largest = 0
      for (let i = t * size; i < (t + 1) * size; i++) largest = Math.max(largest, Math.abs(rows[i]!))
      if (!Number.isFinite(largest))
        throw new Failure('NonFinite', `${what} of the parent are not finite`, {
          remedy: 'Check the parent for damaged or extreme weights: it does not work on this text.',
        })
      const scale = largest || 1
      this.scales[start + t] = scale
      for (let i = t * size; i < (t + 1) * size; i++) scaled[i] = rows[i]! / scale
    }
    this.values.set(toFloat16(scaled), start * size)
    const back = this.rows(start, rows.length / size)
    let [error, power] = [0, 0]
    for (let i = 0; i < rows.length; i++) {
      error += (back[i]! - rows[i]!) ** 2
      power += rows[i]! ** 2
    }
    return { error, power }
  }

  /** Returns the rows of tokens start..start+count-1, [count, size]. */
  rows(start: number, count: number): Float32Array {
    const { size } = this
    const out = fromFloat16(this.values.subarray(start * size, (start + count) * size))
    for (let t = 0; t < count; t++) {
      const scale = this.scales[start + t]!
      for (let i = t * size; i < (t + 1) * size; i++) out[i]! *= scale
    }
    return out
  }
}

/** Normalised squared error of real tokens: sum (y - t)^2 / sum t^2. */
export class SquaredError {
  private error = 0
  private power = 0

  add(y: Float32Array, target: Float32Array, mask: Float32Array): void {
    const size = y.length / mask.length
    for (let t = 0; t < mask.length; t++) {
      if (mask[t] === 0) continue
      for (let i = t * size; i < (t + 1) * size; i++) {
        this.error += (y[i]! - target[i]!) ** 2
        this.power += target[i]! ** 2
      }
    }
  }

  get value(): number {
    return this.error / this.power
  }
}
