import { gradients, Session, type Tensor } from '../../tensor/index.js'
import { noise } from './noise.js'
import type { Measure } from './report.js'
import type { BlockGraph } from '../../model/block-graph.js'
import { asTensor, buildForward, rotaryFeeds, whole } from './runner.js'
import type { Numbers, Prepared } from './subject.js'

const [batch, length] = [2, 5]
/** Weights with at most this many elements are also checked element by element. */
const fewElements = 16
const directions = 2

/** Compares the derivatives of a random sum of outputs, for x and every weight, with central differences. */
export async function checkGradient(variant: Prepared): Promise<Measure[]> {
  const { dtype, facts } = variant
  const chunk = whole(batch, length)
  const rows = [batch * length, facts.hidden] as const
  const all: Numbers = { x: { shape: rows, data: noise(rows[0] * rows[1], 7) }, ...prefixed(variant.weights) }
  const names = Object.keys(all)
  const rotary = rotaryFeeds(variant, 0, length, dtype)

  const sum = ({ g, result }: BlockGraph) => {
    const seed = Float32Array.from(noise(rows[0] * rows[1], 8))
    return g.sum(g.mul(result.y, g.cast(g.constant(seed, rows), dtype)))
  }
  const backward = buildForward(variant, chunk, dtype)
  gradients(sum(backward), [backward.x, ...Object.values(backward.weights)]).forEach((d, i) =>
    backward.g.output(`d.${names[i]}`, d),
  )
  const forward = buildForward(variant, chunk, dtype)
  forward.g.output('sum', sum(forward))
  const sessions = [
    await Session.create(backward.g, { optimisation: 'disabled' }),
    await Session.create(forward.g, { optimisation: 'disabled' }),
  ] as const
  try {
    const tensors = Object.fromEntries(names.map((name) => [name, asTensor(all[name]!.data, all[name]!.shape, dtype)]))
    const computed = await sessions[0].run({ ...rotary, ...tensors })
    const at = async (name: string, data: Float64Array) => {
      const moved: Record<string, Tensor> = { ...rotary, ...tensors, [name]: asTensor(data, all[name]!.shape, dtype) }
      return Number((await sessions[1].run(moved)).sum!.data[0])
    }
    const measures: Comparison[] = []
    for (const [i, name] of names.entries()) {
      const { data } = all[name]!
      const gradient = computed[`d.${name}`]!.data as Float64Array
      for (const direction of directionsOf(data.length, 100 * (i + 1)))
        measures.push(await compare(name, gradient, direction, data, (moved) => at(name, moved), dtype === 'float64'))
    }
    return summary(measures, dtype === 'float64' ? 1e-6 : 0.03)
  } finally {
    for (const session of sessions) await session.release()
  }
}

const prefixed = (weights: Numbers): Numbers =>
  Object.fromEntries(Object.entries(weights).map(([name, weight]) => [`w.${name}`, weight]))

interface Comparison {
  readonly name: string
  readonly derivative: number
  readonly difference: number
}

/** Random directions and, for small weights, every element. */
function directionsOf(size: number, seed: number): Float64Array[] {
  const random = Array.from({ length: directions }, (_, i) => noise(size, seed + i))
  if (size > fewElements) return random
  const units = Array.from({ length: size }, (_, i) => Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)))
  return [...random, ...units]
}

async function compare(
  name: string,
  gradient: ArrayLike<number>,
  direction: Float64Array,
  data: Float64Array,
  at: (moved: Float64Array) => Promise<number>,
  fine: boolean,
): Promise<Comparison> {
  const derivative = direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0)
  // The error of central differences is step^2 times a third derivative, plus rounding of about 1e-16 / step.
  const step = fine ? 1e-5 : 1e-2
  const up = await at(data.map((value, i) => value + step * direction[i]!))
  const down = await at(data.map((value, i) => value - step * direction[i]!))
  return { name, derivative, difference: (up - down) / (2 * step) }
}

/** Reports each weight's worst direction, relative to the weight's largest derivative. */
function summary(all: readonly Comparison[], allowed: number): Measure[] {
  const largest = Math.max(...all.map(({ difference }) => Math.abs(difference)))
  return [...new Set(all.map(({ name }) => name))].map((name) => {
    const comparisons = all.filter((comparison) => comparison.name === name)
    // Differences of a weight that hardly matters are mostly rounding, so it is measured relative to those that do.
    const scale = Math.max(1e-3 * largest, ...comparisons.map(({ difference }) => Math.abs(difference)))
    const error = ({ derivative, difference }: Comparison) => Math.abs(derivative - difference) / scale
    const worst = comparisons.reduce((a, b) => (error(b) > error(a) || !Number.isFinite(error(b)) ? b : a))
    const figure = error(worst)
    const values = `${worst.derivative.toPrecision(4)}, by central differences ${worst.difference.toPrecision(4)}`
    return {
      what: `the gradient of ${name === 'x' ? 'x' : `weight "${name.slice(2)}"`} is ${values}`,
      figure: Number.isFinite(figure) ? figure : Infinity,
      allowed,
    }
  })
}
