import { Session, type Tensor } from '../tensor/index.js'
import { slotShapes } from './build.js'
import type { Model } from './model.js'
import { buildDecoding, rotaryInput, type DecodingWeight } from './decoding-graph.js'
import { packed, quantisationOf } from './quantisation.js'
import { packedHead } from './quantised-head.js'
import { isFixed, rotaryTables } from './rotary.js'
import { DecodingState } from './state.js'
import { slots } from '../api/index.js'

/** Weights of up to this many bytes are constants of the session: onnxruntime rearranges them for speed, and holds them twice
 *  while it creates the session. Larger weights are inputs. */
const largestConstant = 256 * 2 ** 20

/** Options of `Decoder.create`. */
export interface DecoderOptions {
  /** Number of sequences decoded in parallel. */
  readonly batch: number
  /** @default 1 */
  readonly threads?: number
  /** Whether predictions include the logits; otherwise they stay in native memory. @default false */
  readonly logits?: boolean
  /** Size of all weights, in bytes, up to which they are constants of the session. @default 256 MiB */
  readonly largestConstant?: number
  /** Path prefix of the operator profiles to write; `release` completes them. @default none */
  readonly profile?: string
}

/** Predictions of the token after a chunk. */
export interface Prediction {
  /** Most likely token of each sequence, [batch]. */
  readonly best: Int32Array
  /** [batch, vocabulary]; present if requested. */
  readonly logits?: Float32Array
}

/** Continues a batch of sequences that share one position. */
export interface SequenceDecoder {
  /** Forgets all tokens, then reads the first ones, [batch * length]. */
  prefill(ids: Int32Array): Promise<Prediction>
  /** Reads the next token of each sequence, [batch]. */
  step(ids: Int32Array): Promise<Prediction>
  /** Frees native memory. The decoder cannot be used afterwards. */
  release(): Promise<void>
}

type Tables = ReturnType<typeof rotaryTables>

/** Decodes token by token with a KV cache or other state. All sequences of a batch share one position. */
export class Decoder implements SequenceDecoder {
  private readonly state: DecodingState
  /** Weights that are inputs of the session. */
  private readonly fed: Readonly<Record<string, Tensor>>
  private stepping: Promise<Session> | undefined
  private readonly prefills = new Map<number, Promise<Session>>()
  /** Tables of positions 0 to `rows` - 1 for every rotary embedding. */
  private tables: { readonly rotaries: readonly Tables[]; readonly rows: number } = { rotaries: [], rows: 0 }

  private constructor(
    private readonly model: Model,
    private readonly options: DecoderOptions,
    private readonly weights: Readonly<Record<string, DecodingWeight>>,
    private readonly constant: boolean,
  ) {
    this.fed = constant ? {} : floats(weights)
    this.state = new DecodingState(model, options.batch)
  }

  static async create(model: Model, options: DecoderOptions): Promise<Decoder> {
    const weights = await decodingWeights(model)
    return new Decoder(model, options, weights, bytesOf(weights) <= (options.largestConstant ?? largestConstant))
  }

  /** Size of the weights it holds, in bytes. */
  get weightBytes(): number {
    return bytesOf(this.weights)
  }

  /** Forgets all tokens. */
  reset(): void {
    this.state.reset()
  }

  /** Size of the state in bytes, and the number of tokens it has room for. */
  get stateSize(): { readonly bytes: number; readonly capacity: number } {
    return { bytes: this.state.bytes, capacity: this.state.capacity }
  }

  /** Reads the first tokens, [batch * length]. */
  async prefill(ids: Int32Array): Promise<Prediction> {
    this.reset()
    const length = ids.length / this.options.batch
    let session = this.prefills.get(length)
    if (!session) this.prefills.set(length, (session = this.build(length, false)))
    const out = await (await session).run(this.feeds(ids, length))
    this.state.append(out, length)
    return prediction(out)
  }

  /** Reads the next token of each sequence, [batch]. */
  async step(ids: Int32Array): Promise<Prediction> {
    this.stepping ??= this.build(1, true)
    const session = await this.stepping
    const out = await session.run({ ...this.feeds(ids, 1), ...this.state.feeds() })
    this.state.append((out.state?.data ?? new Float32Array(0)) as Float32Array, 1)
    return prediction(out)
  }

  private feeds(ids: Int32Array, length: number): Record<string, Tensor> {
    return { ...this.fed, ids: { dtype: 'int32', dims: [ids.length], data: ids }, ...this.rotaryFeeds(length) }
  }

  /** Rotary tables of the next chunk, by input name. */
  private rotaryFeeds(length: number): Record<string, Tensor> {
    const { headDim, rotaries } = this.model.config
    const start = this.state.position
    const end = start + length
    if (end > this.tables.rows) {
      // For as many positions as the state has room for, so that few steps compute tables.
      const rows = Math.max(end, this.state.capacity)
      this.tables = { rotaries: rotaries.map((own) => rotaryTables(own, headDim, 0, isFixed(own) ? rows : 0)), rows }
    }
    const feeds: Record<string, Tensor> = {}
    for (const [i, own] of rotaries.entries()) {
      const fixed = isFixed(own)
      const tables = fixed ? this.tables.rotaries[i]! : rotaryTables(own, headDim, start, length)
      for (const name of ['cos', 'sin'] as const)
        feeds[rotaryInput(name, i)] = {
          dtype: 'float32',
          dims: [length, headDim],
          data: fixed ? tables[name].subarray(start * headDim, end * headDim) : tables[name],
        }
    }
    return feeds
  }

  private build(length: number, hasPast: boolean): Promise<Session> {
    const { batch, threads = 1, logits = false, profile } = this.options
    const g = buildDecoding(this.model, this.weights, { batch, length, hasPast, constant: this.constant, logits })
    return Session.create(g, {
      threads,
      // The integer kernels only work on rearranged weights.
      prepacking: this.constant || Object.values(this.weights).some((own) => 'levels' in own),
      ...(profile !== undefined && { profile: `${profile}-${hasPast ? 'step' : `prefill-${length}`}` }),
    })
  }

  /** Frees native memory. The decoder cannot be used afterwards. */
  async release(): Promise<void> {
    for (const session of [this.stepping, ...this.prefills.values()]) {
      if (this.options.profile !== undefined) (await session)?.endProfiling()
      await (await session)?.release()
    }
  }
}

const prediction = (out: Readonly<Record<string, Tensor>>): Prediction => ({
  best: out.best!.data as Int32Array,
  ...(out.logits && { logits: out.logits.data as Float32Array }),
})

const bytesOf = (weights: Readonly<Record<string, DecodingWeight>>): number =>
  Object.values(weights).reduce(
    (n, own) => n + ('levels' in own ? own.levels.byteLength + own.scales.byteLength : own.data.byteLength),
    0,
  )

const floats = (weights: Readonly<Record<string, DecodingWeight>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(weights).flatMap(([name, own]) => ('levels' in own ? [] : [[name, own]])))

/** Weights by graph names: `embedding`, `norm`, `head` (unless tied), `w.3.ffn.up`. */
async function decodingWeights(model: Model): Promise<Record<string, DecodingWeight>> {
  const { config, blocks } = model
  const matrix = (data: Float32Array): Tensor => ({ dtype: 'float32', dims: [config.vocabulary, config.hidden], data })
  const integers = await packedHead(model)
  const weights: Record<string, DecodingWeight> = {
    embedding: integers && config.tied ? integers : matrix(await model.embedding()),
    norm: { dtype: 'float32', dims: [config.hidden], data: await model.norm() },
  }
  if (!config.tied) weights.head = integers ?? matrix(await model.head())
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of slots) {
      const slotWeights = await model.weights(layer, slot)
      const quantisation = quantisationOf(model, layer, slot)
      const integers = quantisation ? packed(slotWeights, quantisation) : {}
      for (const name of Object.keys(slotShapes(config, layer, slot, blocks)))
        weights[`w.${layer}.${slot}.${name}`] = integers[name] ?? {
          dtype: 'float32',
          dims: slotWeights[name]!.shape,
          data: slotWeights[name]!.data,
        }
    }
  return weights
}
