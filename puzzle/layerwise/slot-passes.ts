import type { Slot } from '../../api/index.js'
import {
  buildSlot,
  layerFacts,
  quantisationOf,
  rotaryConstants,
  rotaryOf,
  roundedInGraph,
  slotShapes,
  type Model,
} from '../../model/index.js'
import { Graph, Session, type Tensor, type Value } from '../../tensor/index.js'
import { backward } from '../../tensor/gradients.js'
import { matrix, padded } from '../../tensor/rows.js'
import type { Arrays } from '../../tensor/stored-parameters.js'
import { tensorsOf } from '../../tensor/tensors-of.js'

/** How hidden states go through slots. */
export interface PassOptions {
  /** Sequences at once. */
  readonly sequences: number
  /** Tokens of a sequence. */
  readonly length: number
  readonly threads: number
  /** Whether weights that are integers in memory are rounded, as those that learn must be; others are rounded already. */
  readonly rounds: boolean
}

/** Gradients of a slot's input and of its weights. */
export interface SlotGradients {
  /** [tokens, hidden] */
  readonly input: Float32Array
  readonly weights: Readonly<Record<string, Float32Array>>
}

/**
 * Takes hidden states of a step through one slot of a model, forwards, and backwards with the forward pass computed again. Slots
 * of one structure share a session: weights are inputs. A pass takes a few sequences at a time.
 */
export class SlotPasses {
  private readonly sessions = new Map<string, Promise<Session>>()

  constructor(private readonly options: PassOptions) {}

  /** Computes the residual stream after a slot that is not empty.
   *  @param x  [tokens, hidden], of whole sequences */
  async forward(model: Model, layer: number, slot: Slot, weights: Arrays, x: Float32Array): Promise<Float32Array> {
    const session = await this.session('forward', model, layer, slot)
    const fixed = tensorsOf(weights, 'w.')
    const y = new Float32Array(x.length)
    for (const [start, part] of this.chunks(x, model.config.hidden)) {
      const results = await session.run({ ...fixed, x: part })
      const rows = results.y!.data as Float32Array
      y.set(rows.subarray(0, Math.min(rows.length, x.length - start)), start)
    }
    return y
  }

  /** @param dy  gradient of the stream after the slot, [tokens, hidden] */
  async backward(
    model: Model,
    layer: number,
    slot: Slot,
    weights: Arrays,
    x: Float32Array,
    dy: Float32Array,
  ): Promise<SlotGradients> {
    const session = await this.session('backward', model, layer, slot)
    const fixed = tensorsOf(weights, 'w.')
    const input = new Float32Array(x.length)
    const sums: Record<string, Float32Array> = {}
    const gradients = [...this.chunks(dy, model.config.hidden, 0)]
    for (const [i, [start, part]] of [...this.chunks(x, model.config.hidden)].entries()) {
      const results = await session.run({ ...fixed, x: part, dy: gradients[i]![1] })
      const rows = results.dx!.data as Float32Array
      input.set(rows.subarray(0, Math.min(rows.length, x.length - start)), start)
      for (const name of Object.keys(weights)) {
        const own = results[`d.${name}`]!.data as Float32Array
        const sum = (sums[name] ??= own)
        if (sum !== own) for (let j = 0; j < sum.length; j++) sum[j]! += own[j]!
      }
    }
    return { input, weights: sums }
  }

  /** Divides rows into as many as a session takes. What the last chunk lacks repeats the first sequences, which any block can
   *  compute; or is 0, so that it counts for nothing. */
  private *chunks(rows: Float32Array, hidden: number, missing?: 0): Generator<readonly [number, Tensor]> {
    const { sequences, length } = this.options
    const tokens = sequences * length
    const size = tokens * hidden
    for (let start = 0; start < rows.length; start += size) {
      const data = padded(rows, start / hidden, tokens, hidden)
      if (missing === undefined)
        for (let at = rows.length - start; at < size; at += length * hidden)
          data.set(rows.subarray(0, length * hidden), at)
      yield [start, matrix(data, tokens, hidden)]
    }
  }

  private session(kind: 'forward' | 'backward', model: Model, layer: number, slot: Slot): Promise<Session> {
    const key = JSON.stringify([kind, slot, model.config.blocks[layer]![slot], rotaryOf(model.config, layer)])
    let session = this.sessions.get(key)
    if (!session) this.sessions.set(key, (session = this.build(kind, model, layer, slot)))
    return session
  }

  private build(kind: 'forward' | 'backward', model: Model, layer: number, slot: Slot): Promise<Session> {
    const { sequences, length, threads, rounds } = this.options
    const { config, blocks } = model
    const g = new Graph()
    const shape = [sequences * length, config.hidden]
    const x = g.input('x', 'float32', shape)
    const shapes = Object.entries(slotShapes(config, layer, slot, blocks))
    const weights: Record<string, Value> = Object.fromEntries(
      shapes.map(([name, own]) => [name, g.input(`w.${name}`, 'float32', own)]),
    )
    const used = rounds ? roundedInGraph(g, weights, quantisationOf(model, layer, slot)) : weights
    const rotary = rotaryConstants(g, config, length, layer)
    const context = { facts: layerFacts(config, layer), batch: sequences, length, rotary, wantState: false }
    const y = buildSlot(g, x, slot, blocks, config.blocks[layer]![slot], used, context).x
    if (kind === 'forward') g.output('y', y)
    else {
      const [dx, ...gradients] = backward(g, [[y, g.input('dy', 'float32', shape)]], [x, ...Object.values(weights)])
      g.output('dx', dx!)
      for (const [i, name] of Object.keys(weights).entries()) g.output(`d.${name}`, gradients[i]!)
    }
    return Session.create(g, { threads, keepsMemory: false })
  }

  /** Frees native memory. */
  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }
}
