import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { parse } from 'yaml'
import { plannedStage, taskKey } from '../../lineage/keys.js'
import { pluginsOf } from '../../activities/blame.js'
import { specRegistry } from '../../cli/spec-registry.js'
import { allowing } from '../../plugins/loading/allowed.js'
import { loadPlugins } from '../../plugins/registry.js'
import { schemaOfSpec } from '../../spec/schema.js'
import type { Result } from '../../report/markdown.js'
import { Place } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { serverTimeout, testServer } from '../temporal.js'
import { addFiles, compile, manifest, withPrograms } from './folders.js'

/** A run type that keeps one layer of each run: its first or its last. */
const source = `import { definePlugin, defineRunType, Failure } from 'puzzleflow/plugin'
type Params = { readonly span: number; readonly keep: string }
const keepOne = defineRunType<Params>({
  name: 'keep-one', version: 1,
  about: { summary: 'One layer of a run stays.' },
  parameters: { type: 'object', additionalProperties: false, properties: {
    span: { description: 'Layers of a run.', type: 'integer', minimum: 2, default: 2 },
    keep: { description: 'Which layer stays.', enum: ['first', 'last'], default: 'last' } } },
  variants(layers, { span, keep }) {
    if (Number(span) > layers) throw new Failure('InvalidInput', 'a run of ' + span + ' layers does not fit')
    return [{ span: Number(span), keep: String(keep) }]
  },
  id: ({ span, keep }) => 'keep-' + keep + '-' + span,
  span: ({ span }) => span,
  blocks(run, { keep }) { const { attention, ffn } = run.at(keep === 'first' ? 0 : -1)!; return { attention, ffn } },
  initialise: (weights, _run, { keep }) => weights.at(keep === 'first' ? 0 : -1)!,
})
export default definePlugin({ runs: [keepOne] })
`
const spec = `plugins: [./mine]\n${tinySpec}`
  .replace(
    / {2}attention: \[.*\n {2}ffn: .*\n/,
    '  attention: [parent]\n  ffn: [parent]\n  runs:\n    - { run: keep-one }\n',
  )
  .replace("parameters: '<= 80%'", "parameters: '<= 65%'")
const line = spec.split('\n').findIndex((text) => text.includes('keep-one')) + 1

let place: Place
beforeAll(async () => {
  await withPrograms(testServer)
  place = new Place(await writeTinySearch(spec), inject('stateHome'))
  addFiles(place.folder, { 'mine/package.json': manifest('mine', './index.ts'), 'mine/index.ts': source })
}, serverTimeout)
afterAll(() => place.close())

const files = (entry: string, plugin = source) => ({
  'spec.yaml': spec.replace('{ run: keep-one }', entry),
  'mine/package.json': manifest('mine', './index.ts'),
  'mine/index.ts': plugin,
})
async function compiled(entry = '{ run: keep-one }', plugin = source, allow = ['./mine']) {
  addFiles(place.folder, files(entry, plugin))
  return compile(place.folder, allow)
}

test.each([
  ['{ run: keep-on }', `${line}:14 unknown-run There is no run type "keep-on". (did you mean "keep-one"?)`],
  ['{ run: keep-one, kep: last }', `${line}:24 unknown-key space.runs.0 has no key "kep". (did you mean "keep"?)`],
  ['{ run: keep-one, span: 1 }', `${line}:30 out-of-range space.runs.0.span must be >= 2, not 1.`],
  ['{ run: keep-one, span: 3 }', `${line}:7 impossible-variant a run of 3 layers does not fit`],
])('%s is told at its place, by the run type’s own schema', async (entry, message) => {
  expect((await compiled(entry)).diagnostics).toEqual([`spec.yaml:${message}`])
})

test('an entry that fits no layer is told at its line', async () => {
  const fitsNone = source.replace(
    'blocks(run, { keep }) {',
    'blocks(run, { keep }) { if (run.length < 9) return undefined;',
  )
  const { diagnostics } = await compiled(undefined, fitsNone)
  expect(diagnostics).toEqual([
    `spec.yaml:${line}:7 no-run "keep-one" cannot replace any run of the parent's 2 layers (Remove the entry, or change its parameters: \`npx puzzleflow plugins ls\` lists them.)`,
  ])
})

test('the code of a plugin that is not allowed does not run, and nothing is told of what it may hold', async () => {
  const { diagnostics } = await compiled(undefined, source, [])
  expect(diagnostics).toEqual([expect.stringMatching(/^spec\.yaml:1:11 plugin-not-allowed /)])
})

test.each([
  [
    'id: ({ span, keep }) => ',
    "id: ({ span, keep }) => '+' + ",
    'the id "+keep-last-2" has characters other than letters',
  ],
  ['span: ({ span }) => span', 'span: ({ span }) => span / 4', 'the span of keep-last-2 is 0.5'],
  ['blocks(run, { keep }) {', "blocks(run, { keep }) { throw new Error('no idea');", 'no idea (index.ts:15:'],
  ['return { attention, ffn }', "return { ffn: { block: 'wide', params: {} } }", 'There is no ffn block type "wide"'],
  [
    'return { attention, ffn }',
    "return { ffn: { block: 'swiglu', params: {} } }",
    'block type "swiglu", variant swiglu-undefined: ',
  ],
])('a run type that breaks a rule is told before a run (%s)', async (right, wrong, message) => {
  const { diagnostics } = await compiled(undefined, source.replace(right, wrong))
  expect(diagnostics).toHaveLength(1)
  expect(diagnostics[0]).toMatch(new RegExp(`^spec\\.yaml:${line}:7 (broken-run|impossible-variant) `))
  expect(diagnostics[0]).toContain(message)
})

test('a run type lacks nothing that it needs, and its name is nobody else’s', async () => {
  const without = await compiled(undefined, source.replace('span: ({ span }) => span,\n', ''))
  expect(without.diagnostics[0]).toContain('runs[0] ("keep-one") has no span()')
  const taken = await compiled(undefined, source.replace("name: 'keep-one'", "name: 'drop'"))
  expect(taken.diagnostics[0]).toContain('defines the run type "drop", which puzzleflow itself has')
})

describe('the code of a run type', () => {
  const keyed = async (plugin: string) => {
    const { plan, diagnostics } = await compiled(undefined, plugin)
    if (!plan) throw new Error(diagnostics.join('\n'))
    const stage = loadPlugins().stage('distill')
    const planned = plannedStage(plan, 'distill')
    const parts = { plan, planned, stage, params: planned.params, outputs: {} }
    const task = { id: 'layer00', label: 'layer 0', params: {}, inputs: {}, blocks: [] }
    const key = (more: object) => taskKey(parts, { ...task, ...more }).key
    return { plan, planned, task, plain: key({}), ofRun: key({ runs: ['keep-one'] }) }
  }

  test('is in the plan, in the keys of the tasks that it does, and in no others', async () => {
    const first = await keyed(source)
    const second = await keyed(source.replace('One layer of a run stays.', 'A layer stays.'))
    expect(first.plan.runs).toEqual([{ name: 'keep-one', version: 1, plugin: first.plan.plugins[0]!.digest }])
    expect(second.plan.runs).not.toEqual(first.plan.runs)
    expect(second.ofRun).not.toBe(first.ofRun)
    expect(second.plain).toBe(first.plain)
  })

  test('is named where its tasks fail', async () => {
    const { plan, planned, task } = await keyed(source)
    expect(pluginsOf(plan, planned, { ...task, runs: ['keep-one'] })).toEqual(plan.plugins)
    expect(pluginsOf(plan, planned, task)).toEqual([])
  })
})

test('an editor completes its parameters', async () => {
  addFiles(place.folder, files('{ run: keep-one, keep: first }'))
  const registry = specRegistry(undefined, allowing([{ text: './mine', folder: place.folder }]))
  const { schema, diagnostics } = await schemaOfSpec(join(place.folder, 'spec.yaml'), registry)
  expect(diagnostics).toEqual([])
  const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(schema!)
  const takes = (entry: string) => validate(parse(files(entry)['spec.yaml']))
  expect(takes('{ run: keep-one, keep: first }'), JSON.stringify(validate.errors)).toBe(true)
  expect(takes('{ run: drop, span: [1, 2] }')).toBe(true)
  for (const wrong of ['{ run: keep-one, keep: both }', '{ run: keep-one, kep: first }', '{ run: keep-two }'])
    expect(takes(wrong), wrong).toBe(false)
})

test('it is listed with its parameters, beside those that come with puzzleflow', async () => {
  addFiles(place.folder, files('{ run: keep-one }'))
  const { stdout } = await place.run('plugins', 'ls', '--spec', 'spec.yaml', '--allow-plugin', './mine')
  expect(stdout).toContain(`
  run keep-one, version 1
      One layer of a run stays.
      span  Layers of a run. Default: 2.
      keep  Which layer stays. Default: "last".
`)
  expect(stdout).toContain('\n  run fuse-ffn, version 1\n')
})

test('a search uses it, and tells where', async () => {
  addFiles(place.folder, { ...files('{ run: keep-one }'), 'search.yaml': spec })
  const allow = ['--allow-plugin', './mine']
  const { code, stderr } = await place.run('run', 'search.yaml', ...allow)
  expect(code, stderr).toBe(0)
  const result = JSON.parse(readFileSync(join(place.folder, 'runs/tiny/result.json'), 'utf8')) as Result
  expect(result.child).toMatchObject({
    layers: [
      { attention: 'parent', ffn: 'parent' },
      { attention: 'no-op', ffn: 'no-op' },
    ],
    runs: [{ layer: 0, span: 2, run: 'keep-last-2' }],
  })
  const report = readFileSync(join(place.folder, 'runs/tiny/report.md'), 'utf8')
  expect(report).toContain('| 1 | no-op | no-op | keep-last-2, layers 0 to 1 |')

  const scores = (await place.run('scores', 'tiny', '--csv')).stdout.split('\n')
  expect(scores[0]).toMatch(/,nmse,run,span,parameters,memoryBytes,prefillSeconds,decodeSeconds$/)
  // A run of layers has other costs than the blocks of its first layer.
  expect(scores.filter((row) => row.endsWith(',keep-last-2,2,,,,'))).toHaveLength(1)
  expect((await place.run('scores', 'tiny')).stdout).toMatch(/\tkeep-last-2\t2\t\t\t\t\n/)
}, 240_000)
