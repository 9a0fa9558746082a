import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { definePlugin, defineStage, type SingleStage } from '../../api/index.js'
import { withDescriptions } from '../../plugins/loading/load.js'
import { loadPlugins } from '../../plugins/registry.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { addFiles, compile, echoPlugin, echoSpec, folderWith, inside, manifest, stageSource } from './folders.js'

const digest = /^[0-9a-f]{64}$/

test('a plugin in a folder brings stage types to a spec, and the plan says which code they are', async () => {
  const folder = folderWith({ 'spec.yaml': echoSpec('./mine'), ...inside('mine', echoPlugin()) })
  const { plan, diagnostics } = await compile(folder, ['./mine'])
  expect(diagnostics).toEqual([])
  expect(plan!.plugins).toEqual([
    { name: 'echo-plugin', version: '1.2.3', digest: expect.stringMatching(digest) as string },
  ])
  expect(plan!.stages).toEqual([
    { name: 'echo', uses: 'echo', version: 1, plugin: plan!.plugins[0]!.digest, needs: [], params: { times: 2 } },
  ])
})

test('parameters of a plugin’s stage are checked like those of a built-in one', async () => {
  const folder = folderWith({
    'spec.yaml': echoSpec('./mine', 'stages:\n  echo: { tims: 3 }\n'),
    ...inside('mine', echoPlugin()),
  })
  const { diagnostics } = await compile(folder, ['./mine'])
  expect(diagnostics).toEqual(['spec.yaml:8:11 unknown-key stages.echo has no key "tims". (did you mean "times"?)'])
})

test('a plugin in TypeScript is compiled with all that it imports, CommonJS packages too', async () => {
  const folder = folderWith({
    'spec.yaml': echoSpec('./mine'),
    'mine/package.json': manifest('typed-plugin', './index.ts'),
    'mine/index.ts': `import { definePlugin, defineStage, Failure, type Stage } from 'puzzleflow/plugin'
      import { half } from './half.js'
      import { separator } from 'old'
      const echo: Stage<{ times: number }> = ${stageSource('echo', ", exclusive: half(2) === 1 && separator !== ''")}
      if (!(new Failure('TaskFailed', 'x') instanceof Error)) throw new Error('no Failure')
      export default definePlugin({ stages: [defineStage(echo)] })`,
    'mine/half.ts': `enum Parts { Two = 2 }\nexport const half = (n: number): number => n / Parts.Two`,
    'mine/node_modules/old/package.json': '{ "name": "old", "main": "main.js" }',
    'mine/node_modules/old/main.js': `exports.separator = require('node:path').sep`,
  })
  const { plan, diagnostics } = await compile(folder, ['./mine'])
  expect(diagnostics).toEqual([])
  expect(plan!.stages[0]).toMatchObject({ uses: 'echo', exclusive: true })
})

test('a package is found as Node finds it from the spec’s folder, and allowed by where it lies', async () => {
  const folder = folderWith({
    'specs/deep/spec.yaml': echoSpec('@mine/echo'),
    ...inside('node_modules/@mine/echo', echoPlugin('@mine/echo')),
  })
  const { plan, diagnostics } = await compile(join(folder, 'specs/deep'), ['../../node_modules/@mine/echo'])
  expect(diagnostics).toEqual([])
  expect(plan!.plugins[0]!.name).toBe('@mine/echo')
})

test('a linked package is followed to where it lies', async () => {
  const folder = folderWith({
    'spec.yaml': echoSpec('linked'),
    'node_modules/x': '',
    ...inside('work', echoPlugin('linked')),
  })
  symlinkSync(join(folder, 'work'), join(folder, 'node_modules/linked'))
  const byLink = await compile(folder, ['./node_modules/linked'])
  const byPath = await compile(folder, ['./work'])
  expect(byLink.diagnostics).toEqual([])
  expect(byPath.plan).toEqual(byLink.plan)
})

test('a plugin brings pipelines', async () => {
  const folder = folderWith({
    'spec.yaml': `apiVersion: puzzleflow/v1\nname: test\nplugins: [./mine]\npipeline: twice\nnumber: 3\n`,
    'mine/package.json': manifest('piping'),
    'mine/index.js': `export default { stages: [${stageSource('echo')}], pipelines: { twice: './pipes/twice.yaml' } }`,
    'mine/pipes/twice.yaml':
      'inputs: { number: { type: integer } }\nstages:\n  first: { uses: echo }\n  second: { uses: echo, needs: [first] }\n',
  })
  const { plan, diagnostics } = await compile(folder, ['./mine'])
  expect(diagnostics).toEqual([])
  expect(plan).toMatchObject({ pipeline: 'twice', inputs: { number: 3 } })
  expect(plan!.stages.map(({ name }) => name)).toEqual(['first', 'second'])
})

const blockSource = `{
  name: 'halved', slot: 'ffn', version: 3,
  parameters: { type: 'object', additionalProperties: false, properties: { by: { type: 'integer', default: 2 } } },
  variants(facts, { by }) {
    if (facts.intermediate % by !== 0)
      throw new Failure('InvalidInput', facts.intermediate + ' cannot be divided by ' + by, { remedy: 'take 2' })
    return [{ by }]
  },
  id: ({ by }) => 'halved-' + by, shapes: () => ({}), initialise: () => ({}), forward: (g, x) => ({ y: x }),
}`

async function searchWith(entry: string) {
  const spec = `plugins: [./mine]\n${tinySpec.replace('{ block: swiglu, width: [50%] }', entry)}`
  const folder = await writeTinySearch()
  addFiles(folder, {
    'spec.yaml': spec,
    'mine/package.json': manifest('blocks'),
    'mine/index.js': `import { Failure } from 'puzzleflow/plugin'\nexport default { blocks: [${blockSource}] }`,
  })
  const compiled = await compile(folder, ['./mine'])
  rmSync(folder, { recursive: true })
  return compiled
}

test('a plugin brings block types, and the plan says which code they are', async () => {
  const { plan, diagnostics } = await searchWith('halved')
  expect(diagnostics).toEqual([])
  expect(plan!.inputs.space).toMatchObject({
    ffn: [{ block: 'parent' }, { block: 'halved', by: 2 }, { block: 'no-op' }],
  })
  expect(plan!.blocks).toContainEqual({ slot: 'ffn', name: 'halved', version: 3, plugin: plan!.plugins[0]!.digest })
})

test('a plugin’s block type says what the model cannot have', async () => {
  const { diagnostics } = await searchWith('{ block: halved, by: 3 }')
  expect(diagnostics).toEqual(['spec.yaml:12:17 impossible-variant 64 cannot be divided by 3 (take 2)'])
})

test('types from plugins tell their origin; those of puzzleflow have none', async () => {
  const folder = folderWith({ 'spec.yaml': echoSpec('./mine'), ...inside('mine', echoPlugin()) })
  const { plan } = await compile(folder, ['./mine'])
  const loaded = await withDescriptions(loadPlugins(), plan!.plugins)
  expect(loaded.originOf(loaded.stage('echo'))).toEqual(plan!.plugins[0])
  expect(loaded.originOf(loaded.stage('distill'))).toBeUndefined()
  expect(loaded.originOf(loaded.blocks.get('ffn', 'swiglu'))).toBeUndefined()
})

test('the process that compiles specs gets no code of a plugin', async () => {
  const folder = folderWith({ 'spec.yaml': echoSpec('./mine'), ...inside('mine', echoPlugin()) })
  const { plan } = await compile(folder, ['./mine'])
  const loaded = await withDescriptions(loadPlugins(), plan!.plugins)
  const stage = loaded.stage('echo') as unknown as { run(): void }
  expect(() => stage.run()).toThrow('the code of "echo" runs in child processes only')
})

test('a plugin’s type is checked by the compiler', () => {
  const stage: SingleStage<{ times: number }> = {
    name: 'echo',
    version: 1,
    reads: [],
    parameters: {},
    run: async ({ params }) => ({ values: { times: params.times }, files: {} }),
  }
  expect(definePlugin({ stages: [defineStage(stage)] })).toEqual({ stages: [stage] })
  // @ts-expect-error it cannot run
  defineStage({ name: 'lame', version: 1, reads: [], parameters: {} })
  // @ts-expect-error stages are a list
  definePlugin({ stages: defineStage(stage) })
})
