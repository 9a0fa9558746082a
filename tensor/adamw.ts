import type { Graph } from './graph.js'
import { adamWDefaults, learningRate, type AdamWOptions } from './schedule.js'
import type { Shape, Tensor } from './types.js'
import type { Value } from './value.js'

/**
 * What `adamW` needs for each of the `count` steps after step `done`: bias-corrected learning rate, bias-corrected epsilon,
 * weight decay factor, and 1 if waiting parameters learn, otherwise 0. float32 [count, 4]
 */
export function optimiserFeeds(options: AdamWOptions, done: number, count: number): { rates: Tensor } {
  const { beta1, beta2, epsilon, weightDecay } = { ...adamWDefaults, ...options }
  const columns = 4
  const data = new Float32Array(count * columns)
  for (let i = 0; i < count; i++) {
    const rate = learningRate(options, done + i)
    const first = 1 - beta1 ** (done + i + 1)
    const second = Math.sqrt(1 - beta2 ** (done + i + 1))
    const learns = done + i < (options.waiting?.steps ?? 0) ? 0 : 1
    data.set([(rate * second) / first, epsilon * second, 1 - rate * weightDecay, learns], i * columns)
  }
  return { rates: { dtype: 'float32', dims: [count, columns], data } }
}

/**
 * One step of AdamW after clipping the global gradient norm. The bias corrections are folded into the rates:
 * p (1 - rate decay) - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps sqrt(1 - b2^t)).
 * @source Loshchilov & Hutter, "Decoupled Weight Decay Regularization", arXiv 1711.05101, algorithm 2
 */
export function adamW(
  g: Graph,
  state: {
    readonly parameters: readonly Value[]
    readonly first: readonly Value[]
    readonly second: readonly Value[]
    readonly gradients: readonly Value[]
    /** For each parameter, whether it is frozen at first (see `AdamWOptions.waiting`). */
    readonly waiting: readonly boolean[]
    /** One row of `optimiserFeeds`, [4]. */
    readonly rates: Value
    readonly options: AdamWOptions
  },
): { parameters: Value[]; first: Value[]; second: Value[]; norm: Value } {
  const { beta1, beta2, clipNorm } = { ...adamWDefaults, ...state.options }
  const column = (i: number) => g.reshape(g.slice(state.rates, 0, i, i + 1), [])
  const [rate, epsilon, keep] = [column(0), column(1), column(2)]
  const number = (n: number) => g.scalar(n, 'float32')
  const anyWaits = state.waiting.includes(true)
  const learns = anyWaits ? column(3) : undefined
  const gradients = state.gradients.map((d, i) => (state.waiting[i] ? g.mul(d, learns!) : d))
  // 1 while they wait: no decay.
  const keepWaiting = learns && g.add(g.mul(keep, learns), g.sub(number(1), learns))
  const squares = gradients.map((d) => g.sumOfSquares(d))
  const norm = g.sqrt(squares.reduce((a, b) => g.add(a, b)))
  const scale = g.div(number(clipNorm), g.maximum(norm, number(clipNorm)))
  const scales = { first: g.mul(scale, number(1 - beta1)), second: g.mul(g.mul(scale, scale), number(1 - beta2)) }
  const updated = state.parameters.map((p, i) => {
    const decay = state.waiting[i] ? keepWaiting! : keep
    const keptShare = decays(p.shape) ? decay : undefined
    const one = { parameter: p, first: state.first[i]!, second: state.second[i]!, gradient: gradients[i]! }
    return adamWUpdate(g, one, { scales, rate, epsilon, keep: keptShare, beta1, beta2 })
  })
  return {
    parameters: updated.map(({ parameter }) => parameter),
    first: updated.map(({ first }) => first),
    second: updated.map(({ second }) => second),
    norm,
  }
}

/** Whether weight decay applies to a parameter: not to norms and biases. */
export const decays = (shape: Shape): boolean => shape.length > 1

/** Builds the step of one parameter. */
export function adamWUpdate(
  g: Graph,
  state: { readonly parameter: Value; readonly first: Value; readonly second: Value; readonly gradient: Value },
  by: {
    /** What the gradient and its square are multiplied by: the clipping, and the share of the new in each moment. */
    readonly scales: { readonly first: Value; readonly second: Value }
    readonly rate: Value
    readonly epsilon: Value
    /** What weight decay leaves of the parameter. @default all of it */
    readonly keep: Value | undefined
    readonly beta1: number
    readonly beta2: number
  },
): { parameter: Value; first: Value; second: Value } {
  const { parameter, gradient } = state
  const number = (n: number) => g.scalar(n, 'float32')
  const first = g.add(g.mul(state.first, number(by.beta1)), g.mul(gradient, by.scales.first))
  const second = g.add(g.mul(state.second, number(by.beta2)), g.mul(g.square(gradient), by.scales.second))
  const update = g.mul(g.div(first, g.add(g.sqrt(second), by.epsilon)), by.rate)
  return { parameter: g.sub(by.keep ? g.mul(parameter, by.keep) : parameter, update), first, second }
}
