import type { BlockType, JsonObject, LayerFacts } from '../../api/index.js'
import { fewerHeads } from '../../plugins/blocks/fewer-heads.js'
import { groupedQuery } from '../../plugins/blocks/grouped-query.js'
import { latentAttention } from '../../plugins/blocks/latent-attention.js'
import { gatedLinearAttention, linearAttention } from '../../plugins/blocks/linear-attention.js'
import { attentionMatrix, ffnMatrix } from '../../plugins/blocks/linear.js'
import { lowRank } from '../../plugins/blocks/low-rank.js'
import { slidingWindow } from '../../plugins/blocks/sliding-window.js'
import { swiglu } from '../../plugins/blocks/swiglu.js'
import {
  attention,
  gatedFfn,
  latentAttention as latent,
  linearAttention as recurrent,
  lowRank as factored,
  matrix,
  type Matrices,
  type Matrix,
} from './reference.js'

/** A layer whose dimensions all differ. */
export const facts: LayerFacts = {
  layer: 1,
  layers: 3,
  hidden: 10,
  heads: 4,
  kvHeads: 4,
  headDim: 6,
  intermediate: 24,
  attentionBias: false,
  mlpBias: false,
  normEps: 1e-5,
}

/** A block type with parameters, and its reference computation for one sequence. */
export interface Case {
  readonly type: BlockType
  readonly facts: LayerFacts
  readonly params: JsonObject
  readonly rotary: boolean
  readonly reference: (x: Matrix, w: Matrices) => number[][]
}

function make(type: unknown, params: JsonObject, bias: boolean, reference: Case['reference'], rotary = false): Case {
  const withBias = { ...facts, attentionBias: bias, mlpBias: bias }
  return { type: type as BlockType, facts: withBias, params, rotary, reference }
}

const groupedQueryCase = (kvHeads: number, bias: boolean, rotary = true): Case =>
  make(groupedQuery, { kvHeads }, bias, (x, w) => attention(x, w, kvHeads, facts, rotary), rotary)

const recurrentCase = (type: unknown, bias: boolean): Case =>
  make(type, { features: 4, kvHeads: 2 }, bias, (x, w) => recurrent(x, w, 2, facts), true)

/** Cases for every built-in block type that is not empty. */
export const cases: Readonly<Record<string, Case>> = {
  'grouped-query with a KV head per query head': groupedQueryCase(4, false),
  'grouped-query with 2 KV heads': groupedQueryCase(2, false),
  'grouped-query with 2 KV heads and biases': groupedQueryCase(2, true),
  'grouped-query with 1 KV head': groupedQueryCase(1, false),
  'grouped-query with 1 KV head and biases': groupedQueryCase(1, true),
  'grouped-query without rotary embedding': groupedQueryCase(2, false, false),
  'a matrix in place of attention': make(attentionMatrix, {}, false, matrix),
  'a matrix in place of attention with a bias': make(attentionMatrix, {}, true, matrix),
  'sliding window of 3': make(
    slidingWindow,
    { window: 3, kvHeads: 2 },
    true,
    (x, w) => attention(x, w, 2, facts, true, 3),
    true,
  ),
  'fewer heads': make(
    fewerHeads,
    { heads: 2, kvHeads: 1 },
    true,
    (x, w) => attention(x, w, 1, { ...facts, heads: 2 }, true),
    true,
  ),
  'linear attention by features': recurrentCase(linearAttention, false),
  'linear attention by features with biases': recurrentCase(linearAttention, true),
  'gated linear attention': recurrentCase(gatedLinearAttention, false),
  'latent attention': make(latentAttention, { rank: 5, rotated: 4 }, true, (x, w) => latent(x, w, facts, 4), true),
  'low-rank FFN': make(lowRank, { rank: 7 }, false, factored),
  'low-rank FFN with biases': make(lowRank, { rank: 7 }, true, factored),
  swiglu: make(swiglu, { width: 24 }, false, gatedFfn),
  'swiglu with biases': make(swiglu, { width: 24 }, true, gatedFfn),
  'narrow swiglu with biases': make(swiglu, { width: 8 }, true, gatedFfn),
  'linear FFN': make(ffnMatrix, {}, false, matrix),
  'linear FFN with a bias': make(ffnMatrix, {}, true, matrix),
}

/** Pseudo-random numbers in (-1, 1). */
export function numbers(count: number, seed: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    const x = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453
    return 2 * (x - Math.floor(x)) - 1
  })
}

/** Random weights of a case, scaled to keep activations near 1. */
export function weightsOf({ type, facts, params }: Case): Record<string, { shape: number[]; data: Float64Array }> {
  const shapes = Object.entries(type.shapes(facts, params))
  return Object.fromEntries(
    shapes.map(([name, shape], i) => {
      const data = numbers(
        shape.reduce((n, d) => n * d, 1),
        i + 10,
      )
      const scale = shape.length > 1 ? 2 / Math.sqrt(shape[0]!) : 0.5
      return [name, { shape: [...shape], data: data.map((value) => value * scale) }]
    }),
  )
}

/** Rows of numbers in row-major order. */
export const rows = (data: Float64Array, columns: number): number[][] =>
  Array.from({ length: data.length / columns }, (_, r) => Array.from(data.subarray(r * columns, (r + 1) * columns)))

/** Converts weights for the reference. */
export const matrices = (weights: ReturnType<typeof weightsOf>): Matrices =>
  Object.fromEntries(Object.entries(weights).map(([name, { shape, data }]) => [name, rows(data, shape.at(-1)!)]))

/** Computes the reference for a batch. */
export function referenceOf(c: Case, x: Float64Array, batch: number, weights: Matrices): number[] {
  const size = x.length / batch
  return Array.from({ length: batch }, (_, b) =>
    c.reference(rows(x.subarray(b * size, (b + 1) * size), c.facts.hidden), weights),
  ).flat(2)
}
