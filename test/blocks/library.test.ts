import { Matrix, SingularValueDecomposition } from 'ml-matrix'
import { expect, test } from 'vitest'
import type { BlockType, LayerFacts, Sample, Weight, Weights } from '../../api/index.js'
import { headContribution } from '../../plugins/blocks/contribution.js'
import { factorise, gramOf } from '../../plugins/blocks/factorise.js'
import { fewerHeads } from '../../plugins/blocks/fewer-heads.js'
import { groupedQuery } from '../../plugins/blocks/grouped-query.js'
import { latentAttention } from '../../plugins/blocks/latent-attention.js'
import { lowRank } from '../../plugins/blocks/low-rank.js'
import { swiglu } from '../../plugins/blocks/swiglu.js'
import { facts as wide, numbers, rows } from './cases.js'
import {
  angle,
  attention,
  gatedFfn,
  latentAttention as latent,
  lowRank as factored,
  type Matrices,
} from './reference.js'

const facts: LayerFacts = { ...wide, kvHeads: 2 }

function weightsOf(shapes: Readonly<Record<string, readonly number[]>>, seed = 1): Weights {
  const entries = Object.entries(shapes).map(([name, shape], i): [string, Weight] => {
    const size = shape.reduce((n, d) => n * d, 1)
    return [name, { shape, data: Float32Array.from(numbers(size, seed + i), (value) => value / Math.sqrt(shape[0]!)) }]
  })
  return Object.fromEntries(entries)
}
const matrices = (weights: Weights): Matrices =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, rows(Float64Array.from(data), shape.at(-1)!)]),
  )

const [sequences, length] = [3, 7]
/** Calibration text whose inputs lie near a plane, so that some directions matter more than others. */
function makeSample(): Sample {
  const { hidden, headDim } = facts
  const noise = numbers(sequences * length * hidden, 5)
  const along = numbers(sequences * length, 6)
  const x = Float32Array.from(noise, (value, i) => {
    const [t, c] = [Math.floor(i / hidden), i % hidden]
    return 0.2 * value + along[t]! * Math.cos(c) + (c === t % 3 ? 1 : 0)
  })
  const table = (f: (n: number) => number) =>
    Float32Array.from({ length: length * headDim }, (_, i) =>
      f(angle(Math.floor(i / headDim), (i % headDim) % (headDim / 2), headDim)),
    )
  const mask = new Float32Array(sequences * length).fill(1)
  return { sequences, length, x, mask, rotary: { cos: table(Math.cos), sin: table(Math.sin) } }
}
const sample = makeSample()
const texts = Array.from({ length: sequences }, (_, s) =>
  rows(Float64Array.from(sample.x.subarray(s * length * facts.hidden, (s + 1) * length * facts.hidden)), facts.hidden),
)
const parentAttention = weightsOf(groupedQuery.shapes(facts, { kvHeads: 2 }))
const parentFfn = weightsOf(swiglu.shapes(facts, { width: facts.intermediate }), 20)

/** Squared difference over all sample tokens. */
const distance = (a: readonly number[][][], b: readonly number[][][]) =>
  a.flat(2).reduce((sum, value, i) => sum + (value - b.flat(2)[i]!) ** 2, 0)

test('a head’s contribution is the mean norm of the change in output when it is ablated', async () => {
  const contribution = await headContribution(parentAttention, facts, { sample })
  const whole = texts.map((x) => attention(x, matrices(parentAttention), 2, facts, true))
  for (let h = 0; h < facts.heads; h++) {
    const o = Float32Array.from(parentAttention.o!.data)
    o.fill(0, h * facts.headDim * facts.hidden, (h + 1) * facts.headDim * facts.hidden)
    const without = { ...parentAttention, o: { ...parentAttention.o!, data: o } }
    const norms = texts.flatMap((x, s) =>
      attention(x, matrices(without), 2, facts, true).map((row, t) =>
        Math.hypot(...row.map((value, c) => value - whole[s]![t]![c]!)),
      ),
    )
    const expected = norms.reduce((a, b) => a + b, 0) / norms.length
    expect(Math.abs(contribution[h]! / expected - 1)).toBeLessThan(1e-4)
  }
})

test('a group keeps the KV head whose query heads contribute most, and fewer-heads keeps the query heads that do', async () => {
  // Query heads 2 and 3, which share KV head 1, contribute almost nothing.
  const o = Float32Array.from(parentAttention.o!.data)
  const size = facts.headDim * facts.hidden
  for (let i = 2 * size; i < 4 * size; i++) o[i]! *= i < 3 * size ? 0.001 : 0.002
  const parent: Weights = { ...parentAttention, o: { ...parentAttention.o!, data: o } }
  const kept = await groupedQuery.initialise(parent, facts, { kvHeads: 1, heads: 'kept' }, { sample })
  expect(rows(Float64Array.from(kept.k!.data), facts.headDim)).toEqual(
    rows(Float64Array.from(parent.k!.data), 2 * facts.headDim).map((row) => row.slice(0, facts.headDim)),
  )
  const two = await fewerHeads.initialise(parent, facts, { heads: 2, kvHeads: 2 }, { sample })
  const [first] = await strongestOf(parent, [0, 1])
  expect(Array.from(two.o!.data)).toEqual([
    ...parent.o!.data.subarray(first! * size, (first! + 1) * size),
    ...parent.o!.data.subarray(3 * size, 4 * size),
  ])
})

async function strongestOf(parent: Weights, heads: readonly number[]): Promise<number[]> {
  const all = await headContribution(parent, facts, { sample })
  return [...heads].sort((a, b) => all[b]! - all[a]!)
}

test('factorise is optimal: its error is that of the omitted singular values', async () => {
  const weight: Weight = { shape: [14, 9], data: Float32Array.from(numbers(14 * 9, 3)) }
  const values = new SingularValueDecomposition(Matrix.from1DArray(14, 9, weight.data)).diagonal
  for (const rank of [1, 4, 9]) {
    const { a, b } = await factorise(weight, rank)
    const product = Matrix.from1DArray(14, rank, a.data)
      .mmul(Matrix.from1DArray(rank, 9, b.data))
      .to1DArray()
    const error = product.reduce((sum, value, i) => sum + (value - weight.data[i]!) ** 2, 0)
    const least = values.slice(rank).reduce((sum, value) => sum + value ** 2, 0)
    expect(Math.abs(error - least)).toBeLessThan(1e-3 * least + 1e-8)
  }
})

test('factors computed for calibration text fit it better than those of the matrix alone', async () => {
  const x: Weight = { shape: [sequences * length, facts.hidden], data: sample.x }
  const inputs = Matrix.from1DArray(x.shape[0]!, facts.hidden, x.data)
  const weight = parentFfn.gate!
  const whole = inputs.mmul(Matrix.from1DArray(facts.hidden, facts.intermediate, weight.data))
  const error = async (gram?: Weight) => {
    const { a, b } = await factorise(weight, 3, gram)
    const product = Matrix.from1DArray(facts.hidden, 3, a.data).mmul(Matrix.from1DArray(3, facts.intermediate, b.data))
    return Matrix.sub(inputs.mmul(product), whole).norm('frobenius')
  }
  expect(await error(await gramOf(x, sample.mask))).toBeLessThan(0.9 * (await error()))
})

test.each([
  { bias: false, text: 'without biases' },
  { bias: true, text: 'with biases' },
])('latent attention of full rank without rotation equals the parent’s, $text', async ({ bias }) => {
  const single = { ...facts, kvHeads: 1, attentionBias: bias }
  const parent = weightsOf(groupedQuery.shapes(single, { kvHeads: 1 }))
  const child = await latentAttention.initialise(parent, single, { rank: 10, rotated: 2 }, { sample })
  // Zeroing the rotated channels in both makes the rest exact.
  const still = (
    weights: Weights,
    names: readonly string[],
    channels: number,
    dead: (i: number) => boolean,
  ): Weights => ({
    ...weights,
    ...Object.fromEntries(
      names
        .filter((name) => weights[name])
        .map((name) => [
          name,
          { ...weights[name]!, data: weights[name]!.data.map((value, i) => (dead(i % channels) ? 0 : value)) },
        ]),
    ),
  })
  const quiet = still(parent, ['q', 'q.bias'], single.headDim, (i) => i % (single.headDim / 2) === 0)
  const quietChild = still(child, ['q.rotated', 'q.rotated.bias'], 2, () => true)
  const expected = texts.map((x) => attention(x, matrices(quiet), 1, single, false))
  const actual = texts.map((x) => latent(x, matrices(quietChild), single, 2))
  expect(distance(actual, expected)).toBeLessThan(
    1e-6 *
      distance(
        expected,
        expected.map((t) => t.map((r) => r.map(() => 0))),
      ),
  )
})

test('a low-rank FFN of full rank is the parent’s', async () => {
  const child = await lowRank.initialise(parentFfn, facts, { rank: 10 }, { sample })
  const expected = texts.map((x) => gatedFfn(x, matrices(parentFfn)))
  const actual = texts.map((x) => factored(x, matrices(child)))
  expect(distance(actual, expected)).toBeLessThan(1e-6)
})

test('removing channels one by one keeps one of several redundant channels, which ranking them once does not', async () => {
  // Channels 0..3 are copies of one that contributes much; every other channel contributes less.
  const copy = (weight: Weight, at: (channel: number) => number[]): Weight => {
    const data = Float32Array.from(weight.data)
    for (let c = 1; c < 4; c++) at(c).forEach((to, i) => (data[to] = data[at(0)[i]!]!))
    return { ...weight, data }
  }
  const column = (c: number) => Array.from({ length: facts.hidden }, (_, r) => r * facts.intermediate + c)
  const row = (c: number) => Array.from({ length: facts.hidden }, (_, i) => c * facts.hidden + i)
  const parent = {
    gate: copy(parentFfn.gate!, column),
    up: copy(parentFfn.up!, column),
    down: copy({ ...parentFfn.down!, data: parentFfn.down!.data.map((v, i) => (i < facts.hidden ? 6 * v : v)) }, row),
  }
  const params = { width: 16 }
  const alone = await swiglu.initialise(parent, facts, params, {})
  const oneByOne = await swiglu.initialise(parent, facts, { ...params, channels: 'iterative' }, { sample })
  const whole = texts.map((x) => gatedFfn(x, matrices(parent)))
  const error = (child: Weights) =>
    distance(
      texts.map((x) => gatedFfn(x, matrices(child))),
      whole,
    )
  // The copies add up, so neither may drop one, but iterative removal takes the channels into account together.
  expect(error(oneByOne)).toBeLessThan(error(alone))
})

test('removing channels one by one gives the smallest error that greedy removal can achieve', async () => {
  const type: BlockType = swiglu
  const child = await type.initialise(
    parentFfn,
    facts,
    { width: facts.intermediate - 2, channels: 'iterative' },
    { sample },
  )
  const whole = texts.map((x) => gatedFfn(x, matrices(parentFfn)))
  const without = (dead: readonly number[]) => {
    const data = Float32Array.from(parentFfn.down!.data)
    for (const c of dead) data.fill(0, c * facts.hidden, (c + 1) * facts.hidden)
    return distance(
      texts.map((x) => gatedFfn(x, matrices({ ...parentFfn, down: { ...parentFfn.down!, data } }))),
      whole,
    )
  }
  const channels = Array.from({ length: facts.intermediate }, (_, c) => c)
  const best = (dead: readonly number[]) =>
    channels.filter((c) => !dead.includes(c)).reduce((a, b) => (without([...dead, b]) < without([...dead, a]) ? b : a))
  const first = best([])
  const expected = without([first, best([first])])
  const actual = distance(
    texts.map((x) => gatedFfn(x, matrices(child))),
    whole,
  )
  expect(Math.abs(actual / expected - 1)).toBeLessThan(1e-3)
})
