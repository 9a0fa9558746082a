import { uniform } from '../tensor/random.js'
import type { Scores } from './task-answers.js'

/** A figure and its standard error; null where it cannot be told: of a single item. */
export interface Estimate {
  readonly value: number
  readonly stderr: number | null
}

/** How often items are drawn anew. */
const resamples = 1000
const seed = 1234

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Standard error of a mean: the sample's standard deviation over the root of its size, as lm-evaluation-harness has it. */
export function stderrOfMean(values: readonly number[]): number | null {
  const n = values.length
  if (n < 2) return null
  const mean = sum(values) / n
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / (n - 1) / n)
}

/** A metric of items: a mean, or for perplexities exp of the mean loss of a word, a byte or a token. */
function aggregate({ metric }: Pick<Scores, 'metric'>, values: readonly number[], weights?: readonly number[]): number {
  const mean = sum(values) / (weights ? sum(weights) : values.length)
  if (metric === 'bits_per_byte') return -mean / Math.LN2
  return metric.endsWith('perplexity') ? Math.exp(-mean) : mean
}

const isMean = ({ metric }: Pick<Scores, 'metric'>): boolean => !/perplexity|bits_per_byte/.test(metric)

/** A metric with its standard error: of means in closed form, of others by drawing items anew, with the same numbers every time. */
export function estimate(scores: Scores): Estimate {
  const { values, weights } = scores
  return {
    value: aggregate(scores, values, weights),
    stderr: isMean(scores)
      ? stderrOfMean(values)
      : bootstrapped(values.length, (draw) => aggregate(scores, draw(values), weights && draw(weights))),
  }
}

/** Child minus parent, item by item: what both find hard or easy alike does not count as noise. */
export function pairedDifference(parent: Scores, child: Scores): Estimate {
  const value = estimateOf(child) - estimateOf(parent)
  if (isMean(parent)) return { value, stderr: stderrOfMean(child.values.map((own, i) => own - parent.values[i]!)) }
  const of = (own: Scores, draw: Draw) => aggregate(own, draw(own.values), own.weights && draw(own.weights))
  return { value, stderr: bootstrapped(parent.values.length, (draw) => of(child, draw) - of(parent, draw)) }
}

const estimateOf = (scores: Scores): number => aggregate(scores, scores.values, scores.weights)

type Draw = (values: readonly number[]) => number[]

/** Standard deviation of a figure over samples that are drawn from the items. */
function bootstrapped(n: number, figure: (draw: Draw) => number): number | null {
  if (n < 2) return null
  const random = uniform(seed)
  const found = Array.from({ length: resamples }, () => {
    const drawn = Uint32Array.from({ length: n }, () => Math.floor(random() * n))
    return figure((values) => Array.from(drawn, (i) => values[i]!))
  })
  const mean = sum(found) / resamples
  return Math.sqrt(sum(found.map((own) => (own - mean) ** 2)) / (resamples - 1))
}
