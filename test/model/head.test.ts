import { describe, expect, test, vi } from 'vitest'
import { Head, type Comparison, type Model } from '../../model/index.js'
import { VocabularySums } from '../../model/vocabulary-sums.js'
import { openTiny } from './tiny.js'
import { noise } from '../noise.js'

/** A model that is nothing but its head: hidden size 4. */
async function headOnly(vocabulary: number): Promise<Model> {
  const model = await openTiny()
  const random = noise(vocabulary)
  const head = Float32Array.from({ length: vocabulary * 4 }, random)
  return {
    ...model,
    config: { ...model.config, vocabulary, hidden: 4 },
    head: async () => head,
    norm: async () => Float32Array.of(1, 2, 0.5, 1),
  }
}

/** Final norm and head in plain arithmetic, float64. */
async function plainLogits(model: Model, x: Float32Array): Promise<number[][]> {
  const [head, norm] = [await model.head(), await model.norm()]
  return Array.from({ length: x.length / 4 }, (_, t) => {
    const row = Array.from(x.subarray(t * 4, t * 4 + 4))
    const scale = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / 4 + model.config.normEps)
    const normed = row.map((v, i) => v * scale * norm[i]!)
    const { vocabulary, finalSoftcap: cap } = model.config
    return Array.from({ length: vocabulary }, (_, id) => {
      const logit = normed.reduce((sum, v, i) => sum + v * head[id * 4 + i]!, 0)
      return cap === undefined ? logit : cap * Math.tanh(logit / cap)
    })
  })
}

const states = (tokens: number, seed: number): Float32Array => Float32Array.from({ length: tokens * 4 }, noise(seed))

test.each([
  [50, 1024],
  [5000, 838],
  [151_936, 27],
  [300_000, 16],
])('with %i tokens in the vocabulary there are never logits of more than %i positions', async (vocabulary, chunk) => {
  const model = await headOnly(vocabulary)
  const head = await Head.create(model)
  expect(head.chunk).toBe(chunk)
  expect(chunk * vocabulary <= 2 ** 22 || chunk === 16).toBe(true)
  const tokens = chunk + 3
  const seen: [number, number][] = []
  for await (const { start, count, logits, best } of head.logits(states(tokens, 1))) {
    expect(logits.length).toBe(chunk * vocabulary)
    expect(best.length).toBe(chunk)
    seen.push([start, count])
  }
  expect(seen).toEqual([
    [0, chunk],
    [chunk, 3],
  ])
  await head.release()
})

test('logits and most likely tokens are those of plain arithmetic', async () => {
  const model = await headOnly(5000)
  const head = await Head.create(model)
  const x = states(head.chunk + 20, 2)
  const expected = await plainLogits(model, x)
  for await (const { start, count, logits, best } of head.logits(x))
    for (let i = 0; i < count; i += 7) {
      const row = expected[start + i]!
      const own = logits.subarray(i * 5000, (i + 1) * 5000)
      expect(row.reduce((a, v, id) => Math.max(a, Math.abs(v - own[id]!)), 0)).toBeLessThan(1e-5)
      expect(Number(best[i])).toBe(row.indexOf(Math.max(...row)))
    }
  await head.release()
})

/** The sums of a comparison in plain arithmetic. */
async function plainComparison(
  models: { parent: Model; child: Model },
  [parent, child]: [Float32Array, Float32Array],
  ids: Int32Array,
  mask: Float32Array,
  length: number,
) {
  const logp = (row: number[]) => {
    const top = Math.max(...row)
    const total = top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0))
    return row.map((v) => v - total)
  }
  const expected = { kl: 0, loss: 0, parentLoss: 0, top1: 0, error: 0, power: 0, tokens: 0, targets: 0 }
  const [p, q] = [await plainLogits(models.parent, parent), await plainLogits(models.child, child)]
  for (let i = 0; i < ids.length; i++) {
    if (mask[i] !== 1) continue
    const [a, b] = [logp(p[i]!), logp(q[i]!)]
    expected.tokens++
    expected.kl += a.reduce((sum, v, id) => sum + Math.exp(v) * (v - b[id]!), 0)
    expected.top1 += a.indexOf(Math.max(...a)) === b.indexOf(Math.max(...b)) ? 1 : 0
    if (i % length < length - 1 && mask[i + 1] === 1) {
      expected.targets++
      expected.loss -= b[ids[i + 1]!]!
      expected.parentLoss -= a[ids[i + 1]!]!
    }
    for (let j = 4 * i; j < 4 * i + 4; j++) {
      expected.error += (child[j]! - parent[j]!) ** 2
      expected.power += parent[j]! ** 2
    }
  }
  return expected
}

/** A child's states: the parent's and some noise. */
const near = (parent: Float32Array, share: number, seed: number): Float32Array => {
  const random = noise(seed)
  return parent.map((value) => value + share * random())
}

test('a comparison has the sums of plain arithmetic, over blocks of rows, without what is padding', async () => {
  const model = await headOnly(5000)
  const head = await Head.create(model)
  const length = 30
  const tokens = 29 * length // more than the 838 rows of a block
  const parent = states(tokens, 3)
  const child = near(parent, 0.3, 4)
  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % 5000)
  // Sequences are filled up to `length` from the right; the last of them is padding altogether.
  const mask = Float32Array.from({ length: tokens }, (_, i) => {
    const sequence = Math.floor(i / length)
    return sequence < 28 && i % length < 30 - sequence ? 1 : 0
  })
  const found = await head.compare(parent, child, ids, mask, length)
  await head.release()
  expectSame(found, await plainComparison({ parent: model, child: model }, [parent, child], ids, mask, length), 1e-4)
})

function expectSame(found: Comparison, expected: Comparison, within: number): void {
  for (const name of ['tokens', 'targets', 'top1'] as const) expect(found[name]).toBe(expected[name])
  for (const name of ['kl', 'loss', 'parentLoss', 'error', 'power'] as const)
    expect(Math.abs(found[name] / expected[name] - 1), name).toBeLessThan(within)
}

describe('with a vocabulary of several tiles', () => {
  const [vocabulary, length] = [20_001, 6]
  const parent = states(3 * length, 7)
  const ids = Int32Array.from({ length: 3 * length }, (_, i) => (i * 7919) % vocabulary)
  const mask = new Float32Array(3 * length).fill(1)

  test.each([
    ['far from its parent', 0.5, 1e-4],
    ['near its parent', 1e-3, 5e-2],
  ])('a child %s has the sums of plain arithmetic', async (_, share, within) => {
    const model = await headOnly(vocabulary)
    const child = near(parent, share, 8)
    const head = await Head.create(model)
    const found = await head.compare(parent, child, ids, mask, length)
    await head.release()
    expectSame(
      found,
      await plainComparison({ parent: model, child: model }, [parent, child], ids, mask, length),
      within,
    )
  })

  test('a child with a head of its own, and logits with a softcap, have the sums of plain arithmetic', async () => {
    const model = await headOnly(vocabulary)
    const capped: Model = { ...model, config: { ...model.config, finalSoftcap: 3 } }
    const other = (await model.head()).map((value, i) => value + 0.1 * Math.sin(i))
    const child: Model = { ...capped, head: async () => other, norm: async () => Float32Array.of(1, 1, 1, 1.5) }
    const q = near(parent, 0.3, 9)
    for (const [own, of] of [
      [capped, capped],
      [child, capped],
    ] as const) {
      const head = await Head.create(own, 1, of)
      const found = await head.compare(parent, q, ids, mask, length)
      await head.release()
      expectSame(found, await plainComparison({ parent: of, child: own }, [parent, q], ids, mask, length), 1e-4)
    }
  })

  test('answers have the likelihoods of plain arithmetic', async () => {
    const model = await headOnly(vocabulary)
    const head = await Head.create(model)
    const { loss, best } = await head.answers(parent, ids)
    const rows = await plainLogits(model, parent)
    for (const [i, row] of rows.entries()) {
      const total = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0))
      expect(loss[i]).toBeCloseTo(total - row[ids[i]!]!, 4)
      expect(best[i]).toBe(row.indexOf(Math.max(...row)) === ids[i] ? 1 : 0)
    }
    const likely = rows.map((row) => row.indexOf(Math.max(...row)))
    expect([...(await head.answers(parent, likely)).best]).toEqual(likely.map(() => 1))
    await head.release()
  })
})

test('a model compared with itself loses nothing, and what a parent predicts is computed once', async () => {
  const model = await headOnly(50)
  const x = states(20, 5)
  const ids = Int32Array.from({ length: 20 }, (_, i) => i)
  const computed = vi.spyOn(VocabularySums.prototype, 'predict')
  const head = await Head.create(model)
  const compare = async (parent: Float32Array, child: Float32Array) => {
    const before = computed.mock.calls.length
    const found = await head.compare(parent, child, ids, new Float32Array(20).fill(1), 10)
    return { found, times: computed.mock.calls.length - before }
  }
  const { found, times } = await compare(x, x)
  expect(found).toMatchObject({ kl: 0, error: 0, top1: 20, tokens: 20, targets: 18, loss: found.parentLoss })
  expect(times).toBe(1)
  // The same states elsewhere in memory are computed as a child's would be, and the parent's for comparisons.
  expect(await compare(x, x.slice())).toEqual({ found, times: 2 })
  expect((await compare(x, near(x, 0.1, 6))).times).toBe(1)
  await head.release()
  // Each child that is evaluated has a head of its own.
  const another = await Head.create(model)
  const before = computed.mock.calls.length
  await another.compare(x, near(x, 0.1, 7), ids, new Float32Array(20).fill(1), 10)
  expect(computed.mock.calls.length - before).toBe(1)
  await another.release()
  computed.mockRestore()
})
