import { stepsFor, tokensOf, type Sequences } from '../data/sequences.js'
import type { Model } from '../model/index.js'
import type { AdamWOptions, Tensor } from '../tensor/index.js'
import { shuffled } from '../tensor/random.js'
import type { UptrainParams } from './uptrain-params.js'

/** A child to be trained against its parent. */
export interface Uptraining {
  readonly parent: Model
  /** With the weights that it begins with. */
  readonly child: Model
  /** Layers after which hidden states are not compared. */
  readonly skipped: ReadonlySet<number>
  readonly params: UptrainParams
  readonly plan: UptrainingPlan
}

/** What each step of an uptraining reads, and how it learns: the same whether the model is trained whole or layer by layer. */
export class UptrainingPlan {
  /** Sequences of a step. */
  readonly batch: number
  readonly steps: number
  /** Positions of a step at which predictions are compared. */
  readonly compared: number
  readonly optimiser: AdamWOptions
  private readonly order: Uint32Array

  constructor(
    readonly text: Sequences,
    private readonly params: UptrainParams & { readonly seed: number },
  ) {
    const { length, count } = text
    this.batch = Math.min(params.batch, count)
    this.steps = stepsFor(params.tokens, this.batch, count, tokensOf(text))
    this.order = shuffled(count, params.seed + 17)
    this.compared = Math.max(1, Math.round((params.klTokens ?? 1) * this.batch * length))
    this.optimiser = {
      learningRate: params.learningRate,
      weightDecay: params.weightDecay,
      totalSteps: this.steps,
      warmupSteps: Math.min(20, Math.ceil(this.steps / 10)),
      finalFraction: 0.05,
    }
  }

  /** Whether predictions are compared at some of the positions alone. */
  get isSampled(): boolean {
    return this.compared < this.batch * this.text.length
  }

  /** Numbers of the sequences of a step, in its order. */
  sequencesOf(step: number): number[] {
    return Array.from({ length: this.batch }, (_, i) => this.order[(step * this.batch + i) % this.order.length]!)
  }

  /** Inputs of `count` steps from `start` on: ids and mask, [count, batch * length], and the positions of a sample, if it is one. */
  batches(start: number, count: number): { ids: Tensor; mask: Tensor; sample?: Tensor } {
    const { text, batch, compared, params } = this
    const { length } = text
    const tokens = batch * length
    const ids = new Int32Array(count * tokens)
    const mask = new Float32Array(count * tokens)
    for (let step = 0; step < count; step++)
      for (const [i, sequence] of this.sequencesOf(start + step).entries()) {
        const from = sequence * length
        ids.set(text.ids.subarray(from, from + length), step * tokens + i * length)
        mask.set(text.mask.subarray(from, from + length), step * tokens + i * length)
      }
    const dims = [count, tokens]
    const sample = this.isSampled && samples(tokens, compared, params.seed, start, count)
    return {
      ids: { dtype: 'int32', dims, data: ids },
      mask: { dtype: 'float32', dims, data: mask },
      ...(sample && { sample: { dtype: 'int32', dims: [count, compared], data: sample } }),
    }
  }

  /** Tokens of all steps, padding not counted. */
  tokensSeen(): number {
    const { mask, length, count } = this.text
    const tokens = Array.from({ length: count }, (_, i) =>
      tokensOf({ mask: mask.subarray(i * length, (i + 1) * length) }),
    )
    let seen = 0
    for (let i = 0; i < this.steps * this.batch; i++) seen += tokens[this.order[i % count]!]!
    return seen
  }
}

/** For each of `count` steps from `start` on, `size` of the positions of a step: [count * size]. */
function samples(tokens: number, size: number, seed: number, start: number, count: number): Int32Array {
  const chosen = new Int32Array(count * size)
  for (let i = 0; i < count; i++)
    chosen.set(
      shuffled(tokens, seed * 1000003 + start + i)
        .subarray(0, size)
        .sort(),
      i * size,
    )
  return chosen
}
