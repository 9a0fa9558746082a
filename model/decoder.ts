import type { Slot, StateShape } from '../plugins/api/index.js'
import { Graph, Session, type Tensor, type Value } from '../tensor/index.js'
import { buildLayer, slotShapes } from './build.js'
import type { Model } from './checkpoint.js'
import { layerFacts } from './config.js'
import { rotaryTables } from './rotary.js'

/** Below this, weights are constants of the session (rearranged for speed, held twice while it is made); above, inputs. */
const largestConstant = 256 * 2 ** 20
/** Slots by which the buffers of per-token state grow. */
const growth = 32

export interface DecoderOptions {
  /** Sequences decoded side by side. */
  readonly batch: number
  readonly threads?: number
  /** Whether logits come out beside the most likely token. Default false: they stay in native memory. */
  readonly logits?: boolean
}

/** Predictions for the token after the chunk. */
export interface Prediction {
  /** Most likely token of each sequence. */
  readonly best: Int32Array
  /** [batch, vocabulary] when asked for. */
  readonly logits?: Float32Array
}

/** State of one slot in JavaScript's memory. */
interface Buffer {
  readonly name: string
  readonly shape: StateShape
  data: Float32Array
}

/**
 * Generates token by token with state. All sequences of a batch stand at the same position. State that grows with tokens
 * lies in buffers [batch, heads, capacity, dim] that go into the graph whole and uncopied; only new rows come out.
 */
export class Decoder {
  private position = 0
  private capacity = 0
  private readonly buffers: Buffer[]
  private stepping: Promise<Session> | undefined
  private readonly prefills = new Map<number, Promise<Session>>()

  private constructor(
    private readonly model: Model,
    private readonly options: DecoderOptions,
    private readonly weights: Readonly<Record<string, Tensor>>,
    private readonly constant: boolean,
  ) {
    this.buffers = stateShapes(model).map(({ name, shape }) => ({ name, shape, data: new Float32Array(0) }))
  }

  static async create(model: Model, options: DecoderOptions): Promise<Decoder> {
    const weights = await allWeights(model)
    const bytes = Object.values(weights).reduce((n, { data }) => n + data.byteLength, 0)
    return new Decoder(model, options, weights, bytes <= largestConstant)
  }

  /** Forgets all tokens. */
  reset(): void {
    this.position = 0
    this.capacity = 0
  }

  /** Reads the first tokens, [batch * length]. */
  async prefill(ids: Int32Array): Promise<Prediction> {
    this.reset()
    const length = ids.length / this.options.batch
    let session = this.prefills.get(length)
    if (!session) this.prefills.set(length, (session = this.build(length, false)))
    const feeds = this.feeds(ids, length)
    return this.finish(await (await session).run(feeds), length)
  }

  /** Reads the next token of each sequence, [batch]. */
  async step(ids: Int32Array): Promise<Prediction> {
    this.stepping ??= this.build(1, true)
    const session = await this.stepping
    const { batch } = this.options
    const feeds = this.feeds(ids, 1)
    const mask = new Float32Array(this.capacity).fill(-1e9, this.position)
    feeds.mask = { dtype: 'float32', dims: [this.capacity], data: mask }
    for (const { name, shape, data } of this.buffers) {
      const dims =
        shape.kind === 'per-token' ? [batch, shape.shape[0], this.capacity, shape.shape[1]] : [batch, ...shape.shape]
      feeds[`past.${name}`] = { dtype: 'float32', dims, data }
    }
    return this.finish(await session.run(feeds), 1)
  }

  private feeds(ids: Int32Array, length: number): Record<string, Tensor> {
    const { rotary, headDim } = this.model.config
    const { cos, sin } = rotaryTables(rotary, headDim, this.position, length)
    const dims = [length, headDim]
    return {
      ...(this.constant ? {} : this.weights),
      ids: { dtype: 'int32', dims: [ids.length], data: ids },
      cos: { dtype: 'float32', dims, data: cos },
      sin: { dtype: 'float32', dims, data: sin },
    }
  }

  /** Takes over new state. */
  private finish(out: Record<string, Tensor>, length: number): Prediction {
    const { batch } = this.options
    if (this.position + length > this.capacity) this.grow(this.position + length)
    for (const buffer of this.buffers) {
      const rows = out[`state.${buffer.name}`]!.data as Float32Array
      if (buffer.shape.kind === 'per-sequence') {
        buffer.data = rows
        continue
      }
      const [heads, dim] = buffer.shape.shape
      const size = length * dim
      for (let i = 0; i < batch * heads; i++)
        buffer.data.set(rows.subarray(i * size, (i + 1) * size), (i * this.capacity + this.position) * dim)
    }
    this.position += length
    return {
      best: out.best!.data as Int32Array,
      ...(out.logits ? { logits: out.logits.data as Float32Array } : {}),
    }
  }

  private grow(tokens: number): void {
    const before = this.capacity
    this.capacity = Math.ceil((tokens + 1) / growth) * growth
    for (const buffer of this.buffers) {
      if (buffer.shape.kind !== 'per-token') continue
      const [heads, dim] = buffer.shape.shape
      const rows = this.options.batch * heads
      const data = new Float32Array(rows * this.capacity * dim)
      for (let i = 0; i < rows; i++)
        if (before > 0)
          data.set(buffer.data.subarray(i * before * dim, (i + 1) * before * dim), i * this.capacity * dim)
      buffer.data = data
    }
  }

  private build(length: number, hasPast: boolean): Promise<Session> {
    const { config, blocks } = this.model
    const { batch } = this.options
    const g = new Graph()
    const weights: Record<string, Value> = {}
    for (const [name, { dims, data, dtype }] of Object.entries(this.weights))
      weights[name] = this.constant ? g.constant(data, dims) : g.input(name, dtype, dims)
    const ids = g.input('ids', 'int32', [batch * length])
    const rotary = {
      cos: g.input('cos', 'float32', [length, config.headDim]),
      sin: g.input('sin', 'float32', [length, config.headDim]),
    }
    const mask = hasPast ? g.input('mask', 'float32', ['capacity']) : undefined
    const past = new Map<string, Value>()
    if (hasPast)
      for (const { name, shape } of this.buffers) {
        const dims =
          shape.kind === 'per-token' ? [batch, shape.shape[0], 'capacity', shape.shape[1]] : [batch, ...shape.shape]
        past.set(name, g.input(`past.${name}`, 'float32', dims))
      }
    const of = (prefix: string, values: Iterable<[string, Value]>) =>
      Object.fromEntries(
        [...values].filter(([name]) => name.startsWith(prefix)).map(([name, v]) => [name.slice(prefix.length), v]),
      )

    let x = g.gather(weights.embedding!, ids, 0)
    for (let layer = 0; layer < config.layers; layer++) {
      const slotOf = (values: Iterable<[string, Value]>, kind: string) => ({
        attention: of(`${kind}${layer}.attention.`, values),
        ffn: of(`${kind}${layer}.ffn.`, values),
      })
      const result = buildLayer(g, x, config, layer, blocks, slotOf(Object.entries(weights), 'w.'), {
        batch,
        length,
        rotary,
        wantState: true,
        ...(hasPast && mask ? { past: slotOf(past, ''), mask } : {}),
      })
      x = result.x
      for (const slot of ['attention', 'ffn'] as const)
        for (const [name, value] of Object.entries(result.state[slot]))
          g.output(`state.${layer}.${slot}.${name}`, value)
    }
    // Only the last position of each sequence is asked for its next token.
    const last = g.reshape(g.slice(g.reshape(x, [batch, length, config.hidden]), 1, length - 1, length), [
      batch,
      config.hidden,
    ])
    const logits = g.gemm(g.rmsNorm(last, weights.norm!, config.normEps), weights.head ?? weights.embedding!, {
      transB: true,
    })
    g.output('best', g.cast(g.argmax(logits, 1), 'int32'))
    if (this.options.logits) g.output('logits', logits)
    return Session.create(g, { threads: this.options.threads ?? 1, prepacking: this.constant })
  }

  async release(): Promise<void> {
    for (const session of [this.stepping, ...this.prefills.values()]) await (await session)?.release()
  }
}

/** Weights by graph names: `embedding`, `norm`, `head` (unless tied), `w.3.ffn.up`. */
async function allWeights(model: Model): Promise<Record<string, Tensor>> {
  const { config, blocks } = model
  const matrix = (data: Float32Array): Tensor => ({ dtype: 'float32', dims: [config.vocabulary, config.hidden], data })
  const weights: Record<string, Tensor> = {
    embedding: matrix(await model.embedding()),
    norm: { dtype: 'float32', dims: [config.hidden], data: await model.norm() },
  }
  if (!config.tied) weights.head = matrix(await model.head())
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const) {
      const own = await model.weights(layer, slot)
      for (const name of Object.keys(slotShapes(config, layer, slot, blocks)))
        weights[`w.${layer}.${slot}.${name}`] = { dtype: 'float32', dims: own[name]!.shape, data: own[name]!.data }
    }
  return weights
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
