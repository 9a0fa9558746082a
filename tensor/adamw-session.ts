import { adamWUpdate, optimiserFeeds } from './adamw.js'
import { Graph } from './graph.js'
import { adamWDefaults, type AdamWOptions } from './schedule.js'
import { Session } from './session.js'
import type { Tensor } from './types.js'

/** Elements of parameters, with their moments and gradients; all of one length. */
export interface ParameterSlice {
  readonly parameter: Float32Array
  readonly first: Float32Array
  readonly second: Float32Array
  readonly gradient: Float32Array
}

/** AdamW for parameters that are not in memory as a whole: a slice at a time, with the numbers of `Trainer`. */
export class AdamWSession {
  private constructor(
    private readonly session: Session,
    private readonly options: AdamWOptions,
  ) {}

  /** @param options  `waiting` is not supported */
  static async create(options: AdamWOptions, threads: number): Promise<AdamWSession> {
    const { beta1, beta2 } = { ...adamWDefaults, ...options }
    const g = new Graph()
    const vector = (name: string) => g.input(name, 'float32', ['elements'])
    const scalar = (name: string) => g.input(name, 'float32', [])
    const [parameter, first, second, gradient] = ['parameter', 'first', 'second', 'gradient'].map(vector)
    const [rate, epsilon, keep, scale] = ['rate', 'epsilon', 'keep', 'scale'].map(scalar)
    const share = (beta: number) => g.scalar(1 - beta, 'float32')
    const scales = { first: g.mul(scale!, share(beta1)), second: g.mul(g.mul(scale!, scale!), share(beta2)) }
    const state = { parameter: parameter!, first: first!, second: second!, gradient: gradient! }
    const updated = adamWUpdate(g, state, { scales, rate: rate!, epsilon: epsilon!, keep: keep!, beta1, beta2 })
    for (const [name, value] of Object.entries(updated)) g.output(`new:${name}`, value)
    return new AdamWSession(await Session.create(g, { threads, keepsMemory: false }), options)
  }

  /**
   * Updates a slice.
   *
   * @param step    completed steps
   * @param norm    global norm of the gradients of all parameters
   * @param decays  whether weight decay applies
   */
  async update(
    slice: ParameterSlice,
    { step, norm, decays }: { readonly step: number; readonly norm: number; readonly decays: boolean },
  ): Promise<Omit<ParameterSlice, 'gradient'>> {
    const { clipNorm } = { ...adamWDefaults, ...this.options }
    const [rate, epsilon, keep] = optimiserFeeds(this.options, step, 1).rates.data as Float32Array
    const vectors = Object.entries(slice).map(([name, data]): [string, Tensor] => [
      name,
      { dtype: 'float32', dims: [(data as Float32Array).length], data: data as Float32Array },
    ])
    const scalars = {
      rate: rate!,
      epsilon: epsilon!,
      keep: decays ? keep! : 1,
      scale: clipNorm / Math.max(norm, clipNorm),
    }
    const feeds = Object.entries(scalars).map(([name, value]): [string, Tensor] => [
      name,
      { dtype: 'float32', dims: [], data: Float32Array.of(value) },
    ])
    const results = await this.session.run(Object.fromEntries([...vectors, ...feeds]))
    const data = (name: string) => results[`new:${name}`]!.data as Float32Array
    return { parameter: data('parameter'), first: data('first'), second: data('second') }
  }

  /** Frees native memory. */
  async release(): Promise<void> {
    await this.session.release()
  }
}
