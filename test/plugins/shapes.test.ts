import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { Place } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { serverTimeout, testServer } from '../temporal.js'
import { addFiles, compile, manifest, withPrograms } from './folders.js'

/** A plugin in two files; a wrong product stands in line 3 of the second where `wrong` holds. */
const plugin = (wrong: string, y = 'y') => ({
  'mine/package.json': manifest('mine', './index.ts'),
  'mine/index.ts': `import { definePlugin } from 'puzzleflow/plugin'
import { narrow } from './source/narrow.js'
export default definePlugin({ blocks: [narrow] })`,
  'mine/source/narrow.ts': `import { defineBlockType, type BlockContext, type Weights } from 'puzzleflow/plugin'
import type { Graph, Value } from 'puzzleflow/tensor'
const product = (g: Graph, x: Value, w: Record<string, Value>, c: BlockContext): Value => { const y = g.gemm(x, w.${wrong}); return ${y} }
export const narrow = defineBlockType({
  name: 'narrow', slot: 'ffn', version: 1, parameters: { type: 'object', additionalProperties: false },
  variants: () => [{}], id: () => 'narrow', shapes: ({ hidden }) => ({ good: [hidden, hidden], bad: [hidden / 2, hidden] }),
  initialise: (_: Weights, { hidden }) => ({
    good: { shape: [hidden, hidden], data: new Float32Array(hidden * hidden) },
    bad: { shape: [hidden / 2, hidden], data: new Float32Array((hidden / 2) * hidden) },
  }),
  forward: (g, x, w, _, context) => ({ y: product(g, x, w, context) }),
})`,
})
const spec = `plugins: [./mine]\n${tinySpec}`.replace('{ block: swiglu, width: [50%] }', 'narrow')

let place: Place
beforeAll(async () => {
  await withPrograms(testServer)
  place = new Place(await writeTinySearch(spec), inject('stateHome'))
}, serverTimeout)
afterAll(() => place.close())

async function diagnosticsOf(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  addFiles(place.folder, { 'spec.yaml': spec, ...files })
  return (await compile(place.folder, ['./mine'])).diagnostics
}

test('a wrong shape in forward is a mistake of the spec, told with operator, shapes and the line of the source', async () => {
  expect(await diagnosticsOf(plugin('bad'))).toEqual([
    'spec.yaml:12:17 broken-block block type "narrow", variant narrow: gemm: [6, 32] x [16, 32]: inner sizes 32 and 16 differ (source/narrow.ts:3:105 of plugin mine)',
  ])
})

test('so is an output of another shape than the input, which would be added with broadcasting', async () => {
  expect(await diagnosticsOf(plugin('good', 'g.slice(y, 0, 0, 1)'))).toEqual([
    'spec.yaml:12:17 broken-block variant narrow: ffn block type "narrow" makes [1, 32] of [6, 32]: both must have the same shape',
  ])
})

test('so is a state of another shape than declared', async () => {
  const files = plugin('good')
  const source = files['mine/source/narrow.ts'].replace(
    'product(g, x, w, context) })',
    "product(g, x, w, context), state: { last: x } }), state: ({ hidden }) => [{ name: 'last', kind: 'per-sequence', shape: [hidden] }]",
  )
  expect(await diagnosticsOf({ ...files, 'mine/source/narrow.ts': source })).toEqual([
    'spec.yaml:12:17 broken-block variant narrow: ffn block type "narrow" returns state "last" of shape [6, 32], not [2, 32]',
  ])
})

test('a shape that is wrong in some chunks only fails its task at once, with the same words', async () => {
  addFiles(place.folder, plugin('good', 'c.length > 8 ? g.gemm(x, w.bad) : y'))
  const { code, stderr } = await place.run('run', 'search.yaml', '--allow-plugin', './mine')
  expect(code, stderr).toBe(4)
  expect(stderr).toMatch(
    /gemm: \[\d+, 32\] x \[16, 32\]: inner sizes 32 and 16 differ \(source\/narrow\.ts:3:\d+ of plugin mine\)/,
  )
}, 180_000)
