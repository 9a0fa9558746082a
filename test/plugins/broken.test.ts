import { expect, test, vi } from 'vitest'
import { allowing } from '../../plugins/loading/allowed.js'
import { bundleFile } from '../../plugins/loading/bundle.js'
import { compilePlugin } from '../../plugins/loading/compile.js'
import { describePlugin } from '../../plugins/loading/describe.js'
import { findPlugin } from '../../plugins/loading/find.js'
import { withCode, withDescriptions } from '../../plugins/loading/load.js'
import { openPlugins } from '../../plugins/loading/open.js'
import { loadPlugins } from '../../plugins/registry.js'
import { packageVersion } from '../../store/paths.js'
import { writeFileSync } from 'node:fs'
import { addFiles, compile, echoPlugin, echoSpec, folderWith, inside, manifest, stageSource } from './folders.js'

const plugin = (source: string): Record<string, string> => ({ 'package.json': manifest('broken'), 'index.js': source })
const exporting = (text: string) => plugin(`export default ${text}`)

const block = (slot: string, name: string) =>
  `{ name: '${name}', slot: '${slot}', version: 1, parameters: {}, variants() {}, id() {}, shapes() {}, initialise() {}, forward() {} }`

test.each<[string, Record<string, string>, string]>([
  ['has no package.json', { 'index.js': '' }, 'broken-plugin The plugin "./mine" has no package.json.'],
  [
    'has a package.json that is no JSON',
    { 'package.json': '{' },
    'broken-plugin The package.json of "./mine" cannot be read: ',
  ],
  [
    'is an ordinary package',
    { 'package.json': '{ "name": "ordinary", "version": "1.0.0" }' },
    'broken-plugin The package.json of "./mine" does not say which module to load. (add "puzzleflow": { "plugin": "./index.js" })',
  ],
  [
    'says something unknown in its manifest',
    { 'package.json': manifest('x', './index.js', { puzzleflow: { plugin: './index.js', entry: 'x' } }) },
    'broken-plugin The package.json of "./mine" is wrong: puzzleflow has no key "entry".',
  ],
  [
    'needs a newer interface, of which nothing is compiled,',
    {
      ...plugin('export default {'),
      'package.json': manifest('x', './index.js', { puzzleflow: { plugin: './index.js', api: 2 } }),
    },
    `plugin-too-new The plugin "./mine" needs version 2 of the plugin interface; puzzleflow ${packageVersion()} has version 1. (update puzzleflow, or take an older version of the plugin)`,
  ],
  [
    'needs an interface whose version is no whole number',
    { 'package.json': manifest('x', './index.js', { puzzleflow: { plugin: './index.js', api: 1.5 } }) },
    'broken-plugin The package.json of "./mine" is wrong: puzzleflow.api must be a whole number',
  ],
  [
    'names a module that is not there',
    { 'package.json': manifest('x', './index.ts') },
    'broken-plugin The package.json of "./mine" names the module ./index.ts, which does not exist.',
  ],
  [
    'names a module outside its folder',
    { 'package.json': manifest('x', './../outside.js') },
    'broken-plugin The package.json of "./mine" names a module outside its folder.',
  ],
  [
    'does not compile',
    plugin('export default {'),
    'broken-plugin The plugin "./mine" does not compile: index.js:1:17: Expected identifier but found end of file.',
  ],
  [
    'imports what is not installed',
    plugin(`import 'absent'`),
    'broken-plugin The plugin "./mine" does not compile: index.js:1:8: Could not resolve "absent".',
  ],
  [
    'brings a native module',
    { ...plugin(`import './fast.node'`), 'fast.node': '' },
    'broken-plugin The plugin "./mine" does not compile: index.js:1:8: native modules cannot be bundled.',
  ],
  [
    'imports what puzzleflow does not offer',
    plugin(`import { nothing } from 'puzzleflow/plugin'\nexport default { stages: [nothing] }`),
    `broken-plugin The plugin "./mine" cannot be used: The requested module 'puzzleflow/plugin' does not provide an export named 'nothing'.`,
  ],
  [
    'throws',
    plugin(`throw new Error('not today')`),
    'broken-plugin The plugin "./mine" cannot be used: not today (index.js:1:7 of plugin broken).',
  ],
  [
    'throws in a file of its own, beside a CommonJS package that needs some lines above the code,',
    {
      ...plugin(`import 'old'\nimport './deep/thrower.js'`),
      'deep/thrower.js': `// one\n// two\nthrow new Error('not today')`,
      'node_modules/old/package.json': '{ "name": "old", "main": "main.js" }',
      'node_modules/old/main.js': `exports.separator = require('node:path').sep`,
    },
    'broken-plugin The plugin "./mine" cannot be used: not today (deep/thrower.js:3:7 of plugin broken).',
  ],
  [
    'ends its process',
    plugin('process.exit(7)'),
    'broken-plugin The plugin "./mine" cannot be used: its process ended by exit code 7 instead of answering.',
  ],
  [
    'has a block type with a parameter of the name that is puzzleflow’s',
    exporting(
      `{ blocks: [${block('ffn', 'mine').replace('parameters: {}', 'parameters: { properties: { weights: {} } }')}] }`,
    ),
    `broken-plugin The plugin "./mine" cannot be used: blocks[0] ("mine") has a parameter "weights", a name that puzzleflow reserves.`,
  ],
  [
    'exports nothing',
    plugin('export const stages = []'),
    'broken-plugin The plugin "./mine" cannot be used: it has no default export.',
  ],
  [
    'exports something else',
    exporting('{ stage: [] }'),
    'broken-plugin The plugin "./mine" cannot be used: its default export has "stage", which is none of blocks, stages, runs, families, pipelines.',
  ],
  [
    'has a stage that cannot run',
    exporting(`{ stages: [{ name: 'lame', version: 1, reads: [], parameters: {} }] }`),
    'broken-plugin The plugin "./mine" cannot be used: stages[0] ("lame") has no run().',
  ],
  [
    'has a stage whose name is no name',
    exporting(`{ stages: [${stageSource('my stage')}] }`),
    'broken-plugin The plugin "./mine" cannot be used: broken.stages.0.name has the wrong form: "my stage".',
  ],
  [
    'has a stage whose parameters are no JSON Schema',
    exporting(`{ stages: [{ ...${stageSource('odd')}, parameters: { type: 'obect' } }] }`),
    'broken-plugin The plugin "./mine" cannot be used: The schema of stage type "odd" is not a valid JSON Schema: ',
  ],
  [
    'has a pipeline without a file',
    exporting(`{ pipelines: { mine: './mine.yaml' } }`),
    'broken-plugin The plugin "./mine" cannot be used: its pipeline "mine" is not a file in its folder: ./mine.yaml.',
  ],
  [
    'has a stage of puzzleflow’s name',
    exporting(`{ stages: [${stageSource('distill')}] }`),
    'plugin-clash The plugin "./mine" defines the stage type "distill", which puzzleflow itself has.',
  ],
  [
    'has a block type of puzzleflow’s name',
    exporting(`{ blocks: [${block('ffn', 'swiglu')}] }`),
    'plugin-clash The plugin "./mine" defines the ffn block type "swiglu", which puzzleflow itself has.',
  ],
  [
    'has a block type that would hide the parent’s own',
    exporting(`{ blocks: [${block('attention', 'parent')}] }`),
    'plugin-clash The plugin "./mine" defines the attention block type "parent", which puzzleflow itself has.',
  ],
  [
    'has a pipeline of puzzleflow’s name',
    { ...exporting(`{ pipelines: { puzzle: './p.yaml' } }`), 'p.yaml': '' },
    'plugin-clash The plugin "./mine" defines the pipeline "puzzle", which puzzleflow itself has.',
  ],
  [
    'has two stages of one name',
    exporting(`{ stages: [${stageSource('twin')}, ${stageSource('twin')}] }`),
    'plugin-clash The plugin "./mine" defines the stage type "twin" twice.',
  ],
])('a plugin that %s is a mistake at its line, and the only one', async (_, files, expected) => {
  const folder = folderWith({ 'spec.yaml': echoSpec('./mine'), ...inside('mine', files), 'outside.js': '' })
  const { plan, diagnostics } = await compile(folder, ['./mine'])
  expect(plan).toBeUndefined()
  expect(diagnostics).toEqual([expect.stringContaining(`spec.yaml:3:11 ${expected}`)])
})

test.each([
  ['./absent', 'unknown-plugin There is no folder "./absent".'],
  [
    'absent',
    'unknown-plugin The package "absent" is not installed where the spec or puzzleflow finds it. (npm install absent;',
  ],
])('the plugin %s that is not there is a mistake at its line', async (name, expected) => {
  const { diagnostics } = await compile(folderWith({ 'spec.yaml': echoSpec(name) }), [])
  expect(diagnostics).toEqual([expect.stringContaining(`spec.yaml:3:11 ${expected}`)])
})

test('a package whose package.json has another name is refused', async () => {
  const folder = folderWith({ 'spec.yaml': echoSpec('one'), ...inside('node_modules/one', echoPlugin('two')) })
  const { diagnostics } = await compile(folder, ['one'])
  expect(diagnostics[0]).toContain('broken-plugin The package.json of "one" says that its name is "two".')
})

test('two plugins with the same stage do not go together', async () => {
  const folder = folderWith({ ...inside('a', echoPlugin('a')), ...inside('b', echoPlugin('b')) })
  addFiles(folder, { 'spec.yaml': echoSpec('./a').replace("'./a'", './a, ./b') })
  const { diagnostics } = await compile(folder, ['./a', './b'])
  expect(diagnostics).toEqual([
    'spec.yaml:3:16 plugin-clash The plugin "./b" defines the stage type "echo", which plugin "./a" has.',
  ])
})

test('all plugins that cannot be used are told at once', async () => {
  const folder = folderWith({ ...inside('a', plugin('throw 1')), ...inside('b', exporting('7')) })
  addFiles(folder, { 'spec.yaml': echoSpec('./a').replace("'./a'", './a, ./b, ./c') })
  const { diagnostics } = await compile(folder, ['./a', './b', './c'])
  expect(diagnostics).toEqual([
    'spec.yaml:3:11 broken-plugin The plugin "./a" cannot be used: 1.',
    'spec.yaml:3:16 broken-plugin The plugin "./b" cannot be used: its default export is not an object { blocks, stages, runs, families, pipelines }.',
    'spec.yaml:3:21 unknown-plugin There is no folder "./c". (paths start from the spec’s folder; a name without slashes is an npm package)',
  ])
})

test.each([
  ['loops for ever', 'while (true);'],
  ['waits for ever', 'await new Promise(() => {})'],
])('a plugin that %s is given up', async (_, source) => {
  const folder = folderWith(inside('mine', plugin(source)))
  const { opened, failures } = await openPlugins(['./mine'], folder, {
    allowed: allowing([{ text: './mine', folder }]),
    loaded: loadPlugins(),
    milliseconds: 1000,
  })
  expect(opened).toEqual([])
  expect(failures).toEqual([
    {
      plugin: './mine',
      code: 'broken-plugin',
      message: 'The plugin "./mine" cannot be used: it did not answer within 1 s.',
    },
  ])
})

test('a plugin is loaded once: what it holds is kept beside its code', async () => {
  const folder = folderWith(inside('mine', echoPlugin('once')))
  const planned = async () => {
    const found = findPlugin('./mine', folder)
    return { name: found.name, version: found.version, digest: await compilePlugin(found) }
  }
  const first = await describePlugin(await planned())
  // As in another process. With no time to load the plugin, only what is kept can answer.
  vi.resetModules()
  const anew = await import('../../plugins/loading/describe.js')
  expect(await anew.describePlugin(await planned(), 0)).toEqual(first)
})

const absent = { name: 'absent', version: '1.0.0', digest: '0'.repeat(64) } as Parameters<typeof describePlugin>[0]

test.each([
  ['the worker', withDescriptions],
  ['a task', withCode],
])('%s says what to do when a plan’s plugin is not on this machine', async (_, load) => {
  await expect(load(loadPlugins(), [absent])).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `The compiled plugin absent 1.0.0 is not on this machine: ${bundleFile(absent.digest)}`,
    remedy: 'Run `npx puzzleflow plan SPEC` here, with the plugin allowed: it is then compiled again.',
  })
})

test('code that was changed after it was compiled does not run, and is compiled again', async () => {
  const found = findPlugin('./mine', folderWith(inside('mine', echoPlugin('changed'))))
  const planned = { name: found.name, version: found.version, digest: await compilePlugin(found) }
  writeFileSync(bundleFile(planned.digest), 'export default {}')
  await expect(withCode(loadPlugins(), [planned])).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `The compiled plugin changed 1.2.3 has been changed: ${bundleFile(planned.digest)}`,
  })
  await compilePlugin(found)
  expect((await describePlugin(planned)).stages.map(({ name }) => name)).toEqual(['echo'])
})
