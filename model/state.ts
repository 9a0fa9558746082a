import type { Slot, StateShape } from '../plugins/api/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Model } from './checkpoint.js'
import { layerFacts } from './config.js'

/** Slots by which the buffers of per-token state grow. */
const growth = 32

/** State of one slot in JavaScript's memory. */
interface Buffer {
  readonly name: string
  readonly shape: StateShape
  /** Of per-token state: what is used of it is [batch, heads, capacity, dim], from its beginning. */
  memory: Float32Array
}

/**
 * What a batch of sequences carries from chunk to chunk. State that grows with tokens lies in buffers
 * [batch, heads, capacity, dim] that go into the graph whole and uncopied; only new rows come out and are written here.
 */
export class DecodingState {
  /** Tokens read so far by each sequence. */
  position = 0
  /** Slots of the buffers; more than there are tokens. */
  capacity = 0
  private mask = new Float32Array(0)
  private inputs: Record<string, Tensor> = {}
  private readonly buffers: readonly Buffer[]

  constructor(
    model: Model,
    private readonly batch: number,
  ) {
    this.buffers = stateShapes(model).map(({ name, shape }) => ({ name, shape, memory: new Float32Array(0) }))
  }

  /** Forgets all tokens. */
  reset(): void {
    this.position = 0
    this.capacity = 0
  }

  /** The state as inputs `past.NAME`, and the additive mask over its slots as `mask`. */
  feeds(): Readonly<Record<string, Tensor>> {
    return this.inputs
  }

  /**
   * Takes over the state after a chunk of `length` tokens.
   * @param outputs  new rows and states by output name, `state.NAME`; or packed, one behind the other in the order of
   *                 `stateShapes`
   */
  append(outputs: Float32Array | Readonly<Record<string, Tensor>>, length: number): void {
    if (this.position + length > this.capacity) this.grow(this.position + length)
    let start = 0
    for (const { name, shape, memory } of this.buffers) {
      const size = this.batch * shape.shape.reduce((n, d) => n * d, shape.kind === 'per-token' ? length : 1)
      const rows =
        outputs instanceof Float32Array
          ? outputs.subarray(start, start + size)
          : (outputs[`state.${name}`]!.data as Float32Array)
      start += size
      if (shape.kind === 'per-token') this.write(memory, rows, length, shape.shape)
      else this.inputs[`past.${name}`] = { dtype: 'float32', dims: [this.batch, ...shape.shape], data: rows }
    }
    this.mask.fill(0, this.position, this.position + length)
    this.position += length
  }

  /** New rows [batch, heads, length, dim] behind those that are there. */
  private write(
    to: Float32Array,
    rows: Float32Array,
    length: number,
    [heads, dim]: readonly [heads: number, dim: number],
  ): void {
    let from = 0
    for (let head = 0; head < this.batch * heads; head++) {
      const start = (head * this.capacity + this.position) * dim
      const end = start + length * dim
      // Rows of one token are too short for a call of `set` each: this takes half the time.
      for (let i = start; i < end; i++, from++) to[i] = rows[from]!
    }
  }

  /** Makes room for `tokens` and more. Memory is kept over resets: fresh pages cost more than writing to old ones. */
  private grow(tokens: number): void {
    const before = this.capacity
    this.capacity = Math.ceil((tokens + 1) / growth) * growth
    this.mask = new Float32Array(this.capacity).fill(-1e9, this.position)
    this.inputs.mask = { dtype: 'float32', dims: [this.capacity], data: this.mask }
    for (const buffer of this.buffers) {
      if (buffer.shape.kind !== 'per-token') continue
      const [heads, dim] = buffer.shape.shape
      const rows = this.batch * heads
      const size = rows * this.capacity * dim
      const from = buffer.memory
      const to = from.length < size ? new Float32Array(size) : from
      // From the last row to the first: each moves to a higher place, maybe of the same memory.
      for (let row = rows - 1; row >= 0; row--) {
        const [source, target] = [row * before * dim, row * this.capacity * dim]
        const held = from.subarray(source, source + this.position * dim)
        to.set(held, target)
        // A slot that is masked out counts 0 times what is in it, which must be finite.
        to.fill(0, target + tokens * dim, target + this.capacity * dim)
      }
      buffer.memory = to
      const dims = [this.batch, heads, this.capacity, dim]
      this.inputs[`past.${buffer.name}`] = { dtype: 'float32', dims, data: to.subarray(0, size) }
    }
  }
}

/** States of all slots, named `3.attention.k`. */
export function stateShapes({
  config,
  blocks,
}: Model): { name: string; layer: number; slot: Slot; shape: StateShape }[] {
  return config.blocks.flatMap((own, layer) =>
    (['attention', 'ffn'] as const).flatMap((slot) => {
      const { block, params } = own[slot]
      const shapes = blocks.get(slot, block).state?.(layerFacts(config, layer), params) ?? []
      return shapes.map((shape) => ({ name: `${layer}.${slot}.${shape.name}`, layer, slot, shape }))
    }),
  )
}
