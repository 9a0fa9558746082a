import { createHash } from 'node:crypto'
import type { Slot, Weights } from '../api/index.js'
import { Graph, Session, type QuantisedMatrix, type Tensor } from '../tensor/index.js'
import { buildSlot, rotaryConstants, slotShapes } from './build.js'
import type { Model } from './model.js'
import { layerFacts, rotaryOf, type ModelConfig } from './config.js'
import { packed, quantisationOf } from './quantisation.js'

/** Bytes of weights that `cacheWeights` keeps at most by default. */
export const cachedBytes = 2 ** 30

/**
 * Returns a view of a model that keeps the weights of its slots in memory.
 *
 * @param budget  limit on the memory for weights, in bytes; weights beyond it are read again each time. @default 1 GiB
 */
export function cacheWeights(model: Model, budget = cachedBytes): Model {
  const kept = new Map<string, Promise<Weights>>()
  let used = 0
  return {
    ...model,
    async weights(layer, slot) {
      const key = `${layer}/${slot}`
      let weights = kept.get(key)
      if (!weights) {
        weights = model.weights(layer, slot)
        const bytes = Object.values(await weights).reduce((n, { data }) => n + data.byteLength, 0)
        if (used + bytes <= budget) {
          used += bytes
          kept.set(key, weights)
        }
      }
      return weights
    },
  }
}

/** Looks up token ids in the embedding, [vocabulary, hidden], and applies the model's scale.
 *  @returns the input of the first layer, [ids, hidden] */
export function embed(
  embedding: Float32Array,
  { hidden, embeddingScale }: Pick<ModelConfig, 'hidden' | 'embeddingScale'>,
  ids: Int32Array,
): Float32Array {
  const x = new Float32Array(ids.length * hidden)
  ids.forEach((id, i) => x.set(embedding.subarray(id * hidden, (id + 1) * hidden), i * hidden))
  if (embeddingScale !== 1) for (let i = 0; i < x.length; i++) x[i]! *= embeddingScale
  return x
}

/** A session with quantised matrices as constants. */
interface Fixed {
  /** Digest of the block and its weights. */
  readonly digest: string
  /** The weights that the digest was computed from: the same object need not be hashed again. */
  readonly weights: WeakRef<Weights>
  readonly session: Session
}

/**
 * Runs slots of models one after another, for chunks of batch x length tokens from the start of their sequences. Each
 * distinct block and rotary embedding has one session, whatever the layer and the model: weights are inputs. Quantised
 * matrices must be constants, so a slot that has some gets its own session, which holds the weights of the last call.
 */
export class Forward {
  private readonly sessions = new Map<string, Promise<Session>>()
  private readonly fixed = new Map<string, Fixed>()

  constructor(
    /** Number of sequences in a chunk. */
    readonly batch: number,
    /** Tokens per sequence in a chunk. */
    readonly length: number,
    private readonly threads = 1,
  ) {}

  /** Computes the residual stream after one slot: x + block(norm(x)), or x if the block is empty.
   *  @param x  [batch * length, hidden]
   *  @returns the same shape */
  async slot(model: Model, layer: number, slot: Slot, x: Float32Array): Promise<Float32Array> {
    const choice = model.config.blocks[layer]![slot]
    if (model.blocks.get(slot, choice.block).empty) return x
    const weights = await model.weights(layer, slot)
    const quantisation = quantisationOf(model, layer, slot)
    const feeds: Record<string, Tensor> = {
      x: { dtype: 'float32', dims: [this.batch * this.length, model.config.hidden], data: x },
    }
    for (const [name, { shape, data }] of Object.entries(weights))
      if (!quantisation?.names.has(name)) feeds[`w.${name}`] = { dtype: 'float32', dims: shape, data }
    const session = quantisation
      ? await this.withIntegers(model, layer, slot, weights, () => packed(weights, quantisation))
      : await this.shared(model, layer, slot)
    return (await session.run(feeds)).y!.data as Float32Array
  }

  private shared(model: Model, layer: number, slot: Slot): Promise<Session> {
    const key = JSON.stringify([slot, model.config.blocks[layer]![slot], rotaryOf(model.config, layer)])
    let session = this.sessions.get(key)
    if (!session) this.sessions.set(key, (session = this.build(model, layer, slot, {})))
    return session
  }

  private async withIntegers(
    model: Model,
    layer: number,
    slot: Slot,
    weights: Weights,
    integers: () => Readonly<Record<string, QuantisedMatrix>>,
  ): Promise<Session> {
    const key = `${layer}/${slot}`
    const last = this.fixed.get(key)
    const block = JSON.stringify(model.config.blocks[layer]![slot])
    if (last?.weights.deref() === weights && last.digest.startsWith(block)) return last.session
    const digest = `${block} ${digestOf(weights)}`
    if (last?.digest === digest) {
      this.fixed.set(key, { ...last, weights: new WeakRef(weights) })
      return last.session
    }
    this.fixed.delete(key)
    await last?.session.release()
    const session = await this.build(model, layer, slot, integers())
    this.fixed.set(key, { digest, weights: new WeakRef(weights), session })
    return session
  }

  /** Runs layers from..to-1.
   *  @param x  [batch * length, hidden]
   *  @returns the same shape */
  async layers(model: Model, x: Float32Array, from: number, to: number): Promise<Float32Array> {
    for (let layer = from; layer < to; layer++)
      x = await this.slot(model, layer, 'ffn', await this.slot(model, layer, 'attention', x))
    return x
  }

  private build(
    model: Model,
    layer: number,
    slot: Slot,
    integers: Readonly<Record<string, QuantisedMatrix>>,
  ): Promise<Session> {
    const { batch, length } = this
    const { config, blocks } = model
    const g = new Graph()
    const x = g.input('x', 'float32', [batch * length, config.hidden])
    const shapes = Object.entries(slotShapes(config, layer, slot, blocks))
    const weights = Object.fromEntries(
      shapes.map(([name, shape]) => {
        const quantised = integers[name]
        return [name, quantised ? g.quantised(quantised) : g.input(`w.${name}`, 'float32', shape)]
      }),
    )
    const rotary = rotaryConstants(g, config, length, layer)
    const context = { facts: layerFacts(config, layer), batch, length, rotary, wantState: false }
    g.output('y', buildSlot(g, x, slot, blocks, config.blocks[layer]![slot], weights, context).x)
    return Session.create(g, { threads: this.threads })
  }

  /** Frees native memory. The object cannot be used afterwards. */
  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    for (const { session } of this.fixed.values()) await session.release()
    this.sessions.clear()
    this.fixed.clear()
  }
}

function digestOf(weights: Weights): string {
  const hash = createHash('sha256')
  for (const [name, { data }] of Object.entries(weights))
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return hash.digest('hex')
}
