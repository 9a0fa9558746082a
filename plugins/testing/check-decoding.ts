import { windowMask } from '../../model/state.js'
import { elements, type DType, type Tensor } from '../../tensor/index.js'
import type { StateShape } from '../../api/index.js'
import { distance, noise } from './noise.js'
import { tolerance } from './prepare.js'
import type { Measure } from './report.js'
import { asTensor, type Runner } from './runner.js'

/** Content of masked slots, which must not matter. */
const garbage = 777

const ones = (count: number) => Array<number>(count).fill(1)

/** Sequences, and ways to cut them into chunks. Long ones matter because some blocks process many tokens in parts. */
const cases: readonly { batch: number; ways: Readonly<Record<string, readonly number[]>> }[] = [
  {
    batch: 2,
    ways: {
      'token by token': ones(12),
      'a prompt and then token by token': [5, ...ones(7)],
      'chunks of several tokens': [4, 3, 1, 4],
    },
  },
  { batch: 1, ways: { 'a long chunk after a short one': [3, 197], 'two long chunks and a token': [100, 99, 1] } },
]

/** The outputs must not depend on how a sequence is cut into chunks. */
export async function checkDecoding(runner: Runner): Promise<Measure[]> {
  const measures: Measure[] = []
  for (const { batch, ways } of cases)
    for (const [how, lengths] of Object.entries(ways)) {
      const total = lengths.reduce((a, b) => a + b)
      const x = noise(batch * total * runner.variant.facts.hidden, 5)
      const expected = await runner.outputs(x, batch)
      const figure = distance(await byChunks(runner, x, batch, lengths), expected)
      measures.push({
        what: `${total} tokens, ${how}, compared with all at once`,
        figure,
        allowed: tolerance(runner.variant),
      })
    }
  return measures
}

async function byChunks(runner: Runner, x: Float64Array, batch: number, lengths: readonly number[]) {
  const { type, facts, params, dtype } = runner.variant
  const total = x.length / batch / facts.hidden
  const states = type.state?.(facts, params) ?? []
  const memories = states.map((shape) => new Memory(shape, batch, total + 3))
  const out = new Float64Array(x.length)
  const rowsOf = (start: number, length: number, visit: (inSequence: number, inChunk: number) => void) => {
    for (let b = 0; b < batch; b++)
      for (let i = 0; i < length * facts.hidden; i++)
        visit((b * total + start) * facts.hidden + i, b * length * facts.hidden + i)
  }
  let start = 0
  for (const length of lengths) {
    const chunk = new Float64Array(batch * length * facts.hidden)
    rowsOf(start, length, (inSequence, inChunk) => (chunk[inChunk] = x[inSequence]!))
    const hasPast = start > 0
    const capacity = new Float64Array(total + 3).fill(-1e9, start)
    const past: Record<string, Tensor> = {}
    if (hasPast) {
      past.mask = asTensor(capacity, [total + 3], dtype)
      for (const memory of memories) Object.assign(past, memory.feeds(start, length, dtype))
    }
    const { y, ...rest } = await runner.run({ batch, length, hasPast, wantState: true }, chunk, start, past)
    rowsOf(start, length, (inSequence, inChunk) => (out[inSequence] = Number(y!.data[inChunk])))
    for (const memory of memories) memory.append(rest[`state.${memory.shape.name}`], start, length)
    start += length
  }
  return out
}

/** Decoding state. It reimplements model/state.ts independently, so that neither hides the other's mistakes. */
class Memory {
  private readonly dims: readonly number[]
  private readonly slots: number
  private data: Float64Array

  constructor(
    readonly shape: StateShape,
    private readonly batch: number,
    private readonly capacity: number,
  ) {
    this.slots = shape.kind === 'window' ? Math.min(shape.window, capacity) : capacity
    this.dims =
      shape.kind === 'per-sequence' ? [batch, ...shape.shape] : [batch, shape.shape[0], this.slots, shape.shape[1]]
    this.data = new Float64Array(elements(this.dims)).fill(garbage)
  }

  feeds(position: number, length: number, dtype: DType): Record<string, Tensor> {
    const { shape, slots, capacity } = this
    const past = { [`past.${shape.name}`]: asTensor(this.data, this.dims, dtype) }
    if (shape.kind !== 'window') return past
    const mask = windowMask(position, length, shape.window, capacity)
    return { ...past, [`mask.${shape.name}`]: asTensor(mask, [length, slots], dtype) }
  }

  /** Stores the state that a chunk returned. */
  append(returned: Tensor | undefined, position: number, length: number): void {
    const { shape, batch, slots } = this
    const { name, kind } = shape
    if (!returned) throw new Error(`forward does not return the state "${name}", which \`state\` declares`)
    const dims = kind === 'per-sequence' ? [batch, ...shape.shape] : [batch, shape.shape[0], length, shape.shape[1]]
    if (returned.dims.join() !== dims.join())
      throw new Error(`state "${name}" is [${returned.dims.join(', ')}], not [${dims.join(', ')}] (${kind})`)
    const data = Float64Array.from(returned.data as Float64Array)
    if (shape.kind === 'per-sequence') return void (this.data = data)
    const [heads, dim] = shape.shape
    for (let row = 0; row < batch * heads; row++)
      for (let t = Math.max(0, length - slots); t < length; t++) {
        const slot = (position + t) % slots
        this.data.set(data.subarray((row * length + t) * dim, (row * length + t + 1) * dim), (row * slots + slot) * dim)
      }
  }
}
