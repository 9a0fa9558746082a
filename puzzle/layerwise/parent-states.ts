import { slots } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import { FloatFile } from '../../tensor/float-file.js'
import type { SlotPasses } from './slot-passes.js'

/**
 * The parent's hidden states after each layer, for the sequences of a step: computed, or read if they were computed for an earlier
 * step and kept. Both have the same bits.
 */
export class ParentStates {
  /** Sequences whose states are in the file. */
  private readonly kept = new Set<number>()

  private constructor(
    private readonly parent: Model,
    private readonly passes: SlotPasses,
    /** Numbers of a sequence's states after one layer. */
    private readonly size: number,
    private readonly file: FloatFile | undefined,
  ) {}

  /** @param path  of a file to keep the states in; undefined: they are computed each time */
  static async open(parent: Model, passes: SlotPasses, length: number, path?: string): Promise<ParentStates> {
    const file = path === undefined ? undefined : await FloatFile.open(path, 'w+')
    return new ParentStates(parent, passes, length * parent.config.hidden, file)
  }

  /**
   * Yields the states after each layer, [sequences * length, hidden].
   *
   * @param sequences  their numbers
   * @param x          the input of the first layer
   */
  async *ofLayers(sequences: readonly number[], x: Float32Array): AsyncGenerator<Float32Array> {
    const { layers } = this.parent.config
    const areKept = sequences.every((own) => this.kept.has(own))
    for (let layer = 0; layer < layers; layer++) {
      if (areKept) yield await this.read(layer, sequences)
      else {
        x = await this.layer(layer, x)
        await this.write(layer, sequences, x)
        yield x
      }
    }
    if (this.file) for (const own of sequences) this.kept.add(own)
  }

  private async layer(layer: number, x: Float32Array): Promise<Float32Array> {
    for (const slot of slots) {
      if (this.parent.blocks.get(slot, this.parent.config.blocks[layer]![slot].block).empty) continue
      x = await this.passes.forward(this.parent, layer, slot, await this.parent.weights(layer, slot), x)
    }
    return x
  }

  private async read(layer: number, sequences: readonly number[]): Promise<Float32Array> {
    const states = new Float32Array(sequences.length * this.size)
    for (const [i, own] of sequences.entries())
      states.set(await this.file!.read(this.place(layer, own), this.size), i * this.size)
    return states
  }

  private async write(layer: number, sequences: readonly number[], states: Float32Array): Promise<void> {
    for (const [i, own] of sequences.entries())
      await this.file?.write(this.place(layer, own), states.subarray(i * this.size, (i + 1) * this.size))
  }

  private readonly place = (layer: number, sequence: number): number =>
    (sequence * this.parent.config.layers + layer) * this.size

  /** Closes the file. */
  async close(): Promise<void> {
    await this.file?.close()
  }
}
