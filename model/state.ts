import { slots, type Slot, type StateShape } from '../api/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Model } from './model.js'
import { layerFacts } from './config.js'

/** The buffers of per-token state grow by multiples of this many slots. */
const growth = 32

/** The place of one per-token state in the memory that all of them share. */
interface Rows {
  /** Rows for each token: batch * heads. */
  readonly count: number
  readonly dim: number
  /** Number of tokens to keep; new tokens replace the oldest. Infinity keeps all. */
  readonly window: number
  /** Where [count, capacity, dim] begins. */
  start: number
}

interface State {
  readonly name: string
  readonly shape: StateShape
  /** Number of elements of one token, or of the whole state. */
  readonly size: number
  readonly rows: Rows | undefined
}

/**
 * What a batch of sequences carries from chunk to chunk. State that grows with tokens is held in buffers
 * [batch, heads, capacity, dim], which the graph reads without a copy; it returns only new rows, which are written here.
 */
export class DecodingState {
  /** Tokens read so far by each sequence. */
  position = 0
  /** Number of slots of the buffers, larger than the number of tokens. */
  capacity = 0
  private readonly inputs: Record<string, Tensor> = {}
  private readonly states: readonly State[]
  private readonly windows: ReadonlySet<number>
  private mask = new Float32Array(0)
  private memory = new Float32Array(0)

  constructor(
    model: Model,
    private readonly batch: number,
  ) {
    this.states = stateShapes(model).map(({ name, shape }) => {
      const window = shape.kind === 'window' ? shape.window : Infinity
      const rows =
        shape.kind === 'per-sequence'
          ? undefined
          : { count: batch * shape.shape[0], dim: shape.shape[1], window, start: 0 }
      return { name, shape, size: batch * shape.shape.reduce((n, d) => n * d, 1), rows }
    })
    this.windows = new Set(this.states.flatMap(({ rows }) => (rows && rows.window < Infinity ? [rows.window] : [])))
  }

  /** Forgets all tokens. */
  reset(): void {
    this.position = 0
    this.capacity = 0
  }

  /** Size of all state in bytes, including the room for further tokens. */
  get bytes(): number {
    const past = Object.entries(this.inputs).filter(([name]) => name.startsWith('past.'))
    return past.reduce((sum, [, { data }]) => sum + data.byteLength, 0)
  }

  /** The state as inputs `past.NAME`, and the additive masks over its slots for the next token: `mask`, and `mask.window63` for
   *  a window. */
  feeds(): Readonly<Record<string, Tensor>> {
    return this.inputs
  }

  /**
   * Stores the state after a chunk of `length` tokens.
   * @param outputs  new rows and states by output name, `state.NAME`; or concatenated in the order of `stateShapes`
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
    for (const window of this.windows) {
      // A window that was full before the chunk stays full: its mask is the same.
      if (this.position - length > window) continue
      this.inputs[`mask.window${window}`] = {
        dtype: 'float32',
        dims: [1, Math.min(window, this.capacity)],
        data: windowMask(this.position, 1, window, this.capacity),
      }
    }
  }

  /** Writes new rows [batch, heads, length, dim] after the present ones. */
  private write(data: Float32Array, { count, dim, window, start }: Rows, length: number): void {
    const { memory, capacity, position } = this
    const slots = Math.min(window, capacity)
    for (let row = 0; row < count; row++) {
      // If there are more tokens than slots, only the last ones are kept.
      for (let t = Math.max(0, length - slots); t < length; t++) {
        const slot = window < Infinity ? (position + t) % window : position + t
        const first = start + (row * slots + slot) * dim
        let from = (row * length + t) * dim
        // The rows of one token are short: a loop takes half the time of a call of `set` for each.
        for (let i = first; i < first + dim; i++, from++) memory[i] = data[from]!
      }
    }
  }

  /** Makes room for more than `tokens`. Memory survives resets, since new pages cost more than writing to old ones. */
  private grow(tokens: number): void {
    const before = this.capacity
    this.capacity = Math.ceil((tokens + 1) / growth) * growth
    this.mask = new Float32Array(this.capacity).fill(-1e9, this.position)
    this.inputs.mask = { dtype: 'float32', dims: [this.capacity], data: this.mask }
    const growing = this.states.flatMap(({ name, shape, rows }) => (rows ? [{ name, shape, rows }] : []))
    const size = growing.reduce((n, { rows }) => n + rows.count * rows.dim * Math.min(rows.window, this.capacity), 0)
    const from = this.memory
    // One allocation for all: the system can back it with large pages, which speeds up scattered writes of rows.
    if (from.length < size) this.memory = new Float32Array(size)
    const to = this.memory
    let next = size
    // From the last row to the first: each moves to a higher address, possibly in the same memory.
    for (const { name, shape, rows } of growing.reverse()) {
      const { count, dim, window, start } = rows
      const [old, slots] = [Math.min(window, before), Math.min(window, this.capacity)]
      next -= count * dim * slots
      rows.start = next
      const [used, coming] = [Math.min(this.position, old), Math.min(tokens, slots)]
      for (let row = count - 1; row >= 0; row--) {
        const [source, target] = [start + row * old * dim, next + row * slots * dim]
        to.set(from.subarray(source, source + used * dim), target)
        // A masked slot is multiplied by 0, so its contents must be finite.
        to.fill(0, target + coming * dim, target + slots * dim)
      }
      this.inputs[`past.${name}`] = {
        dtype: 'float32',
        dims: [this.batch, shape.shape[0], slots, dim],
        data: to.subarray(next, next + count * dim * slots),
      }
    }
  }
}

/**
 * Masks the slots of a window for tokens position..position+length-1, which see the tokens at most `window` positions before
 * them. Token p is in slot p % window.
 * @returns additive mask [length, min(window, capacity)]
 */
export function windowMask(position: number, length: number, window: number, capacity: number): Float32Array {
  const slots = Math.min(window, capacity)
  const mask = new Float32Array(length * slots).fill(-1e9)
  for (let slot = 0; slot < Math.min(slots, position); slot++) {
    // The newest token before the chunk in this slot.
    const token = position - 1 - ((position - 1 - slot) % window)
    for (let i = 0; i < length && position + i - token <= window; i++) mask[i * slots + slot] = 0
  }
  return mask
}

/** Returns the shapes of all slots' states, named like `3.attention.k`. */
export function stateShapes({
  config,
  blocks,
}: Model): { name: string; layer: number; slot: Slot; shape: StateShape }[] {
  return config.blocks.flatMap((own, layer) =>
    slots.flatMap((slot) => {
      const { block, params } = own[slot]
      const shapes = blocks.get(slot, block).state?.(layerFacts(config, layer), params) ?? []
      return shapes.map((shape) => ({ name: `${layer}.${slot}.${shape.name}`, layer, slot, shape }))
    }),
  )
}
