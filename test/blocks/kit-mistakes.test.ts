import { expect, test } from 'vitest'
import type { BlockType, JsonObject, Weight } from '../../api/index.js'
import { groupedQuery } from '../../plugins/blocks/grouped-query.js'
import { slidingWindow } from '../../plugins/blocks/sliding-window.js'
import { checkBlockType, type BlockReport } from '../../plugins/testing/index.js'
import type { Value } from '../../tensor/index.js'

type Params = { readonly size: number }
type Type = BlockType<Params>

/** Running sums of projected tokens, projected back. */
const sums: Type = {
  name: 'sums',
  slot: 'attention',
  version: 1,
  parameters: {},
  variants: (_, entry) => [{ size: Number(entry.size) }],
  id: ({ size }) => `sums-${size}`,
  shapes: ({ hidden }, { size }) => ({ in: [hidden, size], out: [size, hidden] }),
  initialise: ({ v, o }, { hidden }, { size }) => {
    const columns = Float32Array.from(
      { length: hidden * size },
      (_, i) => v!.data[Math.floor(i / size) * v!.shape[1]! + (i % size)]!,
    )
    return {
      in: { shape: [hidden, size], data: columns },
      out: { shape: [size, hidden], data: o!.data.slice(0, size * hidden).map((value) => value / 8) },
    }
  },
  forward(g, x, w, params, context) {
    const all = running(x, w.in!, params, context)
    const { batch, length, wantState } = context
    const y = g.gemm(g.reshape(all, [batch * length, params.size]), w.out!)
    return wantState ? { y, state: { sum: last(all, length) } } : { y }
  },
  state: (_, { size }) => [{ name: 'sum', kind: 'per-sequence', shape: [size] }],
}

/** Sums up to each token, [batch, length, size]. */
function running(
  x: Value,
  weight: Value,
  { size }: Params,
  { batch, length, past }: Parameters<Type['forward']>[4],
): Value {
  const g = x.graph
  const sums = g.cumsum(g.reshape(g.gemm(x, weight), [batch, length, size]), 1)
  return past ? g.add(sums, g.reshape(past.sum!, [batch, 1, size])) : sums
}

const last = (all: Value, length: number): Value => {
  const row = all.graph.slice(all, 1, length - 1, length)
  return all.graph.reshape(row, [Number(all.shape[0]), Number(all.shape[2])])
}

const check = (type: Partial<Type>): Promise<BlockReport> =>
  checkBlockType(
    { ...sums, ...type },
    {
      entries: [{ size: 3 }],
      facts: [{ kvHeads: 2 }],
      atLeastNoOp: false,
    },
  )

const failed = (report: BlockReport): string[] => [...new Set(report.failures.map(({ check }) => check))]

test('a correct block type has no failures', async () => {
  const report = await check({})
  report.throwIfFailed()
  expect(report.findings.length).toBeGreaterThan(30)
})

test('a type with float32 constants is checked in float32', async () => {
  const report = await check({
    forward(g, x, w, params, context) {
      const { y, ...rest } = sums.forward(g, x, w, params, context)
      return { y: g.mul(y, g.scalar(0.5, 'float32')), ...rest }
    },
  })
  report.throwIfFailed()
  expect(report.findings.find(({ check }) => check === 'forward')!.message).toContain('float32')
})

/** Changes the output of `forward`. */
const outputs = (change: (y: Value, x: Value, context: Parameters<Type['forward']>[4]) => Value): Partial<Type> => ({
  forward(g, x, w, params, context) {
    const result = sums.forward(g, x, w, params, context)
    return { ...result, y: change(result.y, x, context) }
  },
})

/** Changes the initial weight `in`. */
const initial = (change: (weight: Weight) => Weight): Partial<Type> => ({
  initialise: async (...given) => {
    const weights = await sums.initialise(...given)
    return { ...weights, in: change(weights.in!) }
  },
})

let calls = 0

test.each<[mistake: string, type: Partial<Type>, checks: readonly string[]]>([
  [
    'state that forgets everything before the last chunk',
    { forward: (g, x, w, params, { past: _, ...context }) => sums.forward(g, x, w, params, context) },
    ['decoding', 'decoder'],
  ],
  [
    'state of a different size than declared',
    { state: (_, { size }) => [{ name: 'sum', kind: 'per-sequence', shape: [size + 1] }] },
    ['decoding', 'decoder', 'checkpoint'],
  ],
  [
    'state that is declared but not returned',
    {
      forward: (g, x, w, params, context) => ({ y: sums.forward(g, x, w, params, context).y }),
    },
    ['decoding', 'decoder', 'checkpoint'],
  ],
  [
    'a token that attends to later ones',
    outputs((y, x, { batch, length }) => {
      const g = x.graph
      const mean = g.mean(g.reshape(x, [batch, length, Number(x.shape[1])]), [1], true)
      return g.reshape(g.add(g.reshape(y, [batch, length, Number(y.shape[1])]), mean), y.shape)
    }),
    ['causality', 'length', 'decoding', 'decoder'],
  ],
  [
    'a sequence that depends on others in its batch',
    outputs((y, x, { batch, length }) => {
      const g = x.graph
      const shape = [batch, length, Number(x.shape[1])]
      return g.reshape(g.add(g.reshape(y, shape), g.mean(g.reshape(x, shape), [0], true)), y.shape)
    }),
    ['batch'],
  ],
  [
    'a gradient that is interrupted',
    outputs((y) => y.graph.emit('Identity', [y], [[y.dtype, y.shape]])[0]!),
    ['gradient'],
  ],
  [
    'an output of another shape',
    outputs((y, _, { batch, length }) => y.graph.reshape(y, [batch, length, Number(y.shape[1])])),
    ['forward'],
  ],
  [
    'random initial weights',
    initial(({ shape, data }) => ({ shape, data: data.map((v) => v + ++calls) })),
    ['initialise'],
  ],
  [
    'an initial weight that is transposed',
    initial(({ shape, data }) => ({ shape: shape.toReversed(), data })),
    ['initialise'],
  ],
  [
    'initial weights that are NaN',
    initial(({ shape, data }) => ({ shape, data: data.map(() => NaN) })),
    ['initialise'],
  ],
  [
    'a parent that is overwritten',
    { initialise: (parent, ...given) => (parent.v!.data.fill(1), sums.initialise(parent, ...given)) },
    ['initialise'],
  ],
  ['a size of 0', { shapes: () => ({ in: [0, 3], out: [3, 10] }) }, ['shapes', 'initialise']],
  ['weights in `learnsFirst` that do not exist', { learnsFirst: () => ['map'] }, ['shapes']],
  ['two variants with the same id', { variants: () => [{ size: 2 }, { size: 3 }], id: () => 'sums' }, ['variants']],
  ['parameters that are not JSON', { variants: () => [{ size: 3, of: undefined } as Params] }, ['variants']],
])('the kit detects %s', async (_, type, checks) => {
  expect(failed(await check(type)).sort()).toEqual([...checks].sort())
})

test.each([
  ['growing', groupedQuery, 'mask', { kvHeads: 1 }, ['decoding', 'decoder']],
  // After a prompt longer than the window all slots are in use, so the decoder's output does not reveal it.
  ['windowed', slidingWindow, 'windowMasks', { window: 4, kvHeads: 1 }, ['decoding']],
] as const)('the kit detects that masks of %s state are ignored', async (_, type, mask, entry: JsonObject, checks) => {
  const broken = {
    ...(type as unknown as BlockType),
    name: 'broken',
    forward: (g, x, w, params, context) => {
      const open = (value: Value | undefined) => value && g.mul(value, g.scalar(0, value.dtype))
      const { k } = context.windowMasks ?? {}
      const masks = mask === 'mask' ? { mask: open(context.mask)! } : { windowMasks: { k: open(k)! } }
      return (type as unknown as BlockType).forward(g, x, w, params, context.past ? { ...context, ...masks } : context)
    },
  } satisfies BlockType
  const report = await checkBlockType(broken, { entries: [entry], facts: [{}] })
  expect(failed(report)).toEqual(checks)
})

test('the kit detects an interrupted gradient in float32 too', async () => {
  const report = await check(
    outputs((y) => {
      const scaled = y.graph.mul(y, y.graph.scalar(0.5, 'float32'))
      return y.graph.emit('Identity', [scaled], [[y.dtype, y.shape]])[0]!
    }),
  )
  expect(failed(report)).toEqual(['gradient'])
})

test('the kit detects a forward that differs from call to call', async () => {
  const report = await check(outputs((y) => y.graph.mul(y, y.graph.scalar(1 + ++calls / 1000, y.dtype))))
  expect(failed(report)).toEqual(expect.arrayContaining(['gradient', 'repeatable', 'checkpoint']))
})

test('the kit detects initial weights that are worse than a no-op', async () => {
  const type = initial(({ shape, data }) => ({ shape, data: data.map((value) => -9 * value) }))
  const options = { entries: [{ size: 3 }], facts: [{}] }
  const report = await checkBlockType({ ...sums, ...type }, options)
  expect(failed(report)).toEqual(['start'])
})

test('a failure names check, variant, figures and usual cause', async () => {
  const report = await check({ shapes: () => ({ in: [10, 3], out: [3, 9] }) })
  expect(() => report.throwIfFailed()).toThrow(
    /^2 of \d+ checks of block type "sums" failed:\n {2}initialise, sums-3 for 4 heads, 2 KV heads: with statistics, weights have the declared names and shapes \(out is \[3, 10\], declared \[3, 9\]\): 1 wrong\. Usual cause: /,
  )
})

test('an entry without variants is detected, and a type with the name of a built-in one is rejected', async () => {
  const unused = await checkBlockType(groupedQuery, { entries: [{ kvHeads: 3 }] })
  expect(unused.failures.map(({ message }) => message)).toEqual([expect.stringContaining('{"kvHeads":3}')])
  const taken = checkBlockType({ ...sums, name: 'linear' }, { entries: [{ size: 3 }] })
  await expect(taken).rejects.toThrow('There are two attention block types named "linear"')
})

test('an entry that violates the type’s schema is reported with the reason', async () => {
  const parameters = {
    type: 'object',
    additionalProperties: false,
    properties: { block: { const: 'sums' }, size: { type: 'integer', maximum: 2 } },
  }
  const [failure] = (await check({ parameters })).failures
  expect(failure!.message).toContain(
    'entries match the schema in `parameters`; {"size":3}: /size must be <= 2: 1 wrong.',
  )
})

test.each([-1, 0.5, NaN])('the kit rejects %s as a number of tokens', async (tokens) => {
  const { failures } = await check({ sampleTokens: () => tokens })
  expect(failures.map(({ message }) => message).join('\n')).toContain('`sampleTokens` is a non-negative integer')
})

test('an error of the type is reported with the line of the author’s file', async () => {
  const { failures } = await check({
    shapes: () => {
      throw new RangeError('no such size')
    },
  })
  expect(failures[0]!.message).toMatch(/it threw RangeError: no such size \(kit-mistakes\.test\.ts:\d+\)\./)
})
