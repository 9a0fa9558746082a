import { expect, test } from 'vitest'
import type { Tensor } from '../../tensor/index.js'
import { cases, facts, matrices, numbers, referenceOf, weightsOf, type Case } from './cases.js'
import { buildBlock, feedsOf, runOnce } from './graph.js'

const batch = 2
const total = 12
const size = facts.hidden

/** Tokens start..start+length-1 of each sequence of [batch, total, hidden]. */
function chunkOf(x: Float64Array, start: number, length: number): Float64Array {
  const out = new Float64Array(batch * length * size)
  for (let b = 0; b < batch; b++)
    out.set(x.subarray((b * total + start) * size, (b * total + start + length) * size), b * length * size)
  return out
}

/**
 * Runs a case chunk by chunk, as decoding does: new rows are written into buffers [batch, heads, capacity, dim] that hold
 * more slots than tokens. @returns outputs, [batch, total, hidden]
 */
async function byChunks(c: Case, x: Float64Array, lengths: readonly number[], capacity: number): Promise<Float64Array> {
  const out = new Float64Array(batch * total * size)
  const shapes = c.type.state?.(c.facts, c.params) ?? []
  // What is in unused slots must not matter.
  const buffers = shapes.map(({ name, shape }) => {
    const dims = [batch, shape[0], capacity, shape[1]]
    const data = new Float64Array(dims.reduce((n, d) => n * d, 1)).fill(777)
    return { name, dims, data }
  })
  let start = 0
  for (const length of lengths) {
    const hasPast = start > 0 && shapes.length > 0
    const { g, result } = buildBlock(c, batch, length, hasPast, true)
    g.output('y', result.y)
    for (const { name } of shapes) g.output(`state.${name}`, result.state![name]!)
    const past = buffers.map(({ name, dims, data }): [string, Tensor] => [
      `past.${name}`,
      { dtype: 'float64', dims, data },
    ])
    const mask: Tensor = { dtype: 'float64', dims: [capacity], data: new Float64Array(capacity).fill(-1e9, start) }
    const results = await runOnce(g, {
      ...feedsOf(c, start, length),
      ...(hasPast && { ...Object.fromEntries(past), mask }),
      x: { dtype: 'float64', dims: [batch * length, size], data: chunkOf(x, start, length) },
    })
    const y = results.y!.data as Float64Array
    for (let b = 0; b < batch; b++)
      out.set(y.subarray(b * length * size, (b + 1) * length * size), (b * total + start) * size)
    for (const { name, dims, data } of buffers) {
      const rows = results[`state.${name}`]!
      const [, heads, , dim] = dims as [number, number, number, number]
      expect(rows.dims).toEqual([batch, heads, length, dim])
      for (let i = 0; i < batch * heads; i++)
        data.set(
          (rows.data as Float64Array).subarray(i * length * dim, (i + 1) * length * dim),
          (i * capacity + start) * dim,
        )
    }
    start += length
  }
  expect(start).toBe(total)
  return out
}

const ways: readonly [string, readonly number[]][] = [
  ['token by token', Array<number>(total).fill(1)],
  ['a prompt and then token by token', [5, ...Array<number>(total - 5).fill(1)]],
  ['in chunks of several tokens with a past', [4, 3, 1, 4]],
]

/** Others are cut into chunks by the test kit. */
const growing = Object.entries(cases).filter(([, c]) =>
  (c.type.state?.(c.facts, c.params) ?? []).every(({ kind }) => kind === 'per-token'),
)

test.each(growing)('%s gives the same however a sequence is cut into chunks', async (_, c) => {
  const x = numbers(batch * total * size, 5)
  const whole = referenceOf(c, x, batch, matrices(weightsOf(c)))
  for (const [way, lengths] of ways) {
    const parts = await byChunks(c, x, lengths, total + 3)
    const error = whole.reduce((a, y, i) => Math.max(a, Math.abs(y - parts[i]!)), 0)
    expect(error, way).toBeLessThan(1e-11)
  }
})
