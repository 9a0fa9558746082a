import type { Value } from './core.js'
import type { Graph } from './graph.js'
import { adamWDefaults, learningRate, type AdamWOptions } from './schedule.js'
import type { Tensor } from './types.js'

/** Learning rates and bias corrections of `count` steps after `done`, [count, 3] float32. */
export function optimiserFeeds(options: AdamWOptions, done: number, count: number): { rates: Tensor } {
  const { beta1, beta2, epsilon, weightDecay } = { ...adamWDefaults, ...options }
  const data = new Float32Array(count * 3)
  for (let i = 0; i < count; i++) {
    const rate = learningRate(options, done + i)
    const first = 1 - beta1 ** (done + i + 1)
    const second = Math.sqrt(1 - beta2 ** (done + i + 1))
    data.set([(rate * second) / first, epsilon * second, 1 - rate * weightDecay], i * 3)
  }
  return { rates: { dtype: 'float32', dims: [count, 3], data } }
}

/**
 * One step of AdamW after clipping by the norm over all parameters, with the bias corrections moved into the rates:
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
    /** A row of `optimiserFeeds`, [3]. */
    readonly rates: Value
    readonly options: AdamWOptions
  },
): { parameters: Value[]; first: Value[]; second: Value[]; norm: Value } {
  const { beta1, beta2, clipNorm } = { ...adamWDefaults, ...state.options }
  const [rate, epsilon, keep] = [0, 1, 2].map((i) => g.reshape(g.slice(state.rates, 0, i, i + 1), []))
  const number = (n: number) => g.scalar(n, 'float32')
  const squares = state.gradients.map((d) => g.sumOfSquares(d))
  const norm = g.sqrt(squares.reduce((a, b) => g.add(a, b)))
  const scale = g.div(number(clipNorm), g.maximum(norm, number(clipNorm)))
  const firstScale = g.mul(scale, number(1 - beta1))
  const secondScale = g.mul(g.mul(scale, scale), number(1 - beta2))
  const first = state.first.map((m, i) => g.add(g.mul(m, number(beta1)), g.mul(state.gradients[i]!, firstScale)))
  const second = state.second.map((v, i) =>
    g.add(g.mul(v, number(beta2)), g.mul(g.square(state.gradients[i]!), secondScale)),
  )
  const parameters = state.parameters.map((p, i) => {
    const change = g.mul(g.div(first[i]!, g.add(g.sqrt(second[i]!), epsilon!)), rate!)
    return g.sub(p.shape.length > 1 ? g.mul(p, keep!) : p, change)
  })
  return { parameters, first, second, norm }
}
