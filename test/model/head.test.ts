import { expect, test, vi } from 'vitest'
import { Head, type Model } from '../../model/index.js'
import { Graph } from '../../tensor/index.js'
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
    return Array.from({ length: model.config.vocabulary }, (_, id) =>
      normed.reduce((sum, v, i) => sum + v * head[id * 4 + i]!, 0),
    )
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

test('a comparison has the sums of plain arithmetic, over chunks, without what is padding', async () => {
  const model = await headOnly(5000)
  const head = await Head.create(model)
  const length = 30
  const tokens = 29 * length // more than a chunk of 838
  const [parent, child] = [states(tokens, 3), states(tokens, 4)]
  child.forEach((value, i) => (child[i] = parent[i]! + 0.3 * value))
  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % 5000)
  // Sequences are filled up to `length` from the right; the last of them is padding altogether.
  const mask = Float32Array.from({ length: tokens }, (_, i) => {
    const sequence = Math.floor(i / length)
    return sequence < 28 && i % length < 30 - sequence ? 1 : 0
  })
  const found = await head.compare(parent, child, ids, mask, length)
  await head.release()

  const logp = (row: number[]) => {
    const total = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0))
    return row.map((v) => v - total)
  }
  const expected = { kl: 0, loss: 0, parentLoss: 0, top1: 0, error: 0, power: 0, tokens: 0, targets: 0 }
  const [p, q] = [await plainLogits(model, parent), await plainLogits(model, child)]
  for (let i = 0; i < tokens; i++) {
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
  for (const name of ['tokens', 'targets', 'top1'] as const) expect(found[name]).toBe(expected[name])
  for (const name of ['kl', 'loss', 'parentLoss', 'error', 'power'] as const)
    expect(found[name] / expected[name], name).toBeCloseTo(1, 4)
})

test('a model compared with itself loses nothing, and is computed once', async () => {
  const model = await headOnly(50)
  const x = states(20, 5)
  const ids = Int32Array.from({ length: 20 }, (_, i) => i)
  const compare = async (parent: Float32Array) => {
    const computed = vi.spyOn(Graph.prototype, 'logSoftmax')
    const head = await Head.create(model)
    const found = await head.compare(parent, x, ids, new Float32Array(20).fill(1), 10)
    await head.release()
    const times = computed.mock.calls.length
    computed.mockRestore()
    return { found, times }
  }
  const { found, times } = await compare(x)
  expect(found).toMatchObject({ kl: 0, error: 0, top1: 20, tokens: 20, targets: 18, loss: found.parentLoss })
  expect(times).toBe(1)
  // The same states elsewhere in memory are computed as a parent's would be.
  expect(await compare(x.slice())).toEqual({ found, times: 2 })
})
