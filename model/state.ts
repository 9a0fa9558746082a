import type { Slot, StateShape } from '../plugins/api/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Model } from './checkpoint.js'
import { layerFacts } from './config.js'

/** Slots by which the buffers of per-token state grow. */
const growth = 32

/** State that grows by a row a token, as it lies in the memory of all such state. */
interface Rows {
  /** Rows of a token: batch * heads. */
  readonly count: number
  readonly dim: number
  /** Where [count, capacity, dim] begins. */
  start: number
}

interface State {
  readonly name: string
  readonly shape: StateShape
  /** Elements of one token, or of the whole state. */
  readonly size: number
  readonly rows: Rows | undefined
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
  private readonly inputs: Record<string, Tensor> = {}
  private readonly states: readonly State[]
  private mask = new Float32Array(0)
  private memory = new Float32Array(0)

  constructor(
    model: Model,
    private readonly batch: number,
  ) {
    this.states = stateShapes(model).map(({ name, shape }) => {
      const rows =
        shape.kind === 'per-token' ? { count: batch * shape.shape[0], dim: shape.shape[1], start: 0 } : undefined
      return { name, shape, size: batch * shape.shape.reduce((n, d) => n * d, 1), rows }
    })
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
    let begin = 0
    for (const { name, shape, size, rows } of this.states) {
      const end = begin + (rows ? size * length : size)
      const data =
        outputs instanceof Float32Array
          ? outputs.subarray(begin, end)
          : (outputs[`state.${name}`]!.data as Float32Array)
      begin = end
      if (rows) this.write(data, rows, length)
      else this.inputs[`past.${name}`] = { dtype: 'float32', dims: [this.batch, ...shape.shape], data }
    }
    this.mask.fill(0, this.position, this.position + length)
    this.position += length
  }

  /** New rows [batch, heads, length, dim] behind those that are there. */
  private write(data: Float32Array, { count, dim, start }: Rows, length: number): void {
    const { memory, capacity, position } = this
    let from = 0
    for (let row = 0; row < count; row++) {
      const first = start + (row * capacity + position) * dim
      const end = first + length * dim
      // Rows of one token are too short for a call of `set` each: this takes half the time.
      for (let i = first; i < end; i++, from++) memory[i] = data[from]!
    }
  }

  /** Makes room for `tokens` and more. Memory is kept over resets: fresh pages cost more than writing to old ones. */
  private grow(tokens: number): void {
    const before = this.capacity
    this.capacity = Math.ceil((tokens + 1) / growth) * growth
    this.mask = new Float32Array(this.capacity).fill(-1e9, this.position)
    this.inputs.mask = { dtype: 'float32', dims: [this.capacity], data: this.mask }
    const growing = this.states.flatMap(({ name, shape, rows }) => (rows ? [{ name, shape, rows }] : []))
    const size = growing.reduce((n, { rows }) => n + rows.count * rows.dim, 0) * this.capacity
    const from = this.memory
    // One memory for all: the system can give it large pages, which writing a row here and there gains from.
    if (from.length < size) this.memory = new Float32Array(size)
    const to = this.memory
    let next = size
    // From the last row to the first: each moves to a higher place, maybe of the same memory.
    for (const { name, shape, rows } of growing.reverse()) {
      const { count, dim, start } = rows
      next -= count * dim * this.capacity
      rows.start = next
      for (let row = count - 1; row >= 0; row--) {
        const [source, target] = [start + row * before * dim, next + row * this.capacity * dim]
        to.set(from.subarray(source, source + this.position * dim), target)
        // A slot that is masked out counts 0 times what is in it, which must be finite.
        to.fill(0, target + tokens * dim, target + this.capacity * dim)
      }
      this.inputs[`past.${name}`] = {
        dtype: 'float32',
        dims: [this.batch, shape.shape[0], this.capacity, dim],
        data: to.subarray(next, next + count * dim * this.capacity),
      }
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
