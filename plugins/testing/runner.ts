import { buildBlock, type BlockGraph, type Chunk } from '../../model/block-graph.js'
import { checkResult } from '../../model/check-result.js'
import { rotaryOf, rotaryTables } from '../../model/index.js'
import { Session, tensor, type DType, type Tensor } from '../../tensor/index.js'
import type { Numbers, Prepared } from './subject.js'

/** A chunk that consists of whole sequences. */
export const whole = (batch: number, length: number): Chunk => ({ batch, length, hasPast: false, wantState: false })

/** Builds the graph of a variant's `forward` for a chunk. */
export const buildForward = ({ type, facts, params }: Prepared, chunk: Chunk, dtype: DType): BlockGraph =>
  buildBlock(type, facts, params, chunk, dtype)

/** Converts numbers to a tensor of a type. */
export const asTensor = (data: ArrayLike<number>, dims: readonly number[], dtype: DType): Tensor =>
  tensor(data, dims, dtype)

/** Weights as feeds. */
export const weightFeeds = (weights: Numbers, dtype: DType): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [`w.${name}`, asTensor(data, shape, dtype)]),
  )

/** Rotary tables of the positions start..start+length-1. */
export function rotaryFeeds({ parent, facts }: Prepared, start: number, length: number, dtype: DType) {
  const { cos, sin } = rotaryTables(rotaryOf(parent.model.config, facts.layer), facts.headDim, start, length)
  const dims = [length, facts.headDim]
  return { cos: asTensor(cos, dims, dtype), sin: asTensor(sin, dims, dtype) }
}

/** Runs a variant's `forward` for chunks. Sessions are kept until `release`. */
export class Runner {
  private readonly sessions = new Map<string, Promise<Session>>()
  private readonly weights: Record<string, Tensor>

  constructor(readonly variant: Prepared) {
    this.weights = weightFeeds(variant.weights, variant.dtype)
  }

  /**
   * Runs one chunk.
   *
   * @param x      [batch * length, hidden]
   * @param start  position of the first token
   * @param past   inputs `past.NAME`, `mask`, `mask.NAME`
   * @returns `y` and `state.NAME`
   */
  async run(chunk: Chunk, x: Float64Array, start = 0, past: Readonly<Record<string, Tensor>> = {}) {
    const { dtype, facts } = this.variant
    const key = JSON.stringify(chunk)
    let session = this.sessions.get(key)
    if (!session) this.sessions.set(key, (session = this.open(chunk)))
    return (await session).run({
      ...this.weights,
      ...rotaryFeeds(this.variant, start, chunk.length, dtype),
      ...past,
      x: asTensor(x, [chunk.batch * chunk.length, facts.hidden], dtype),
    })
  }

  /** Runs whole sequences and returns the outputs, [batch * length, hidden]. */
  async outputs(x: Float64Array, batch: number): Promise<ArrayLike<number>> {
    const { y } = await this.run(whole(batch, x.length / batch / this.variant.facts.hidden), x)
    return y!.data as Float64Array
  }

  private open(chunk: Chunk): Promise<Session> {
    const { type, facts, params, dtype } = this.variant
    const { g, x, result } = buildForward(this.variant, chunk, dtype)
    checkResult(type, x, result, params, { facts, ...chunk })
    g.output('y', result.y)
    for (const [name, value] of Object.entries(result.state ?? {})) g.output(`state.${name}`, value)
    // Not optimised, because onnxruntime's fusions do not support float64.
    return Session.create(g, { optimisation: 'disabled' })
  }

  /** Frees native memory. */
  async release(): Promise<void> {
    for (const session of this.sessions.values())
      await session.then(
        (opened) => opened.release(),
        () => undefined, // it failed to open, which its check has reported
      )
    this.sessions.clear()
  }
}
