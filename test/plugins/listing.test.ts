import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { listPlugin, type Listed } from '../../cli/plugin-list.js'
import { specRegistry } from '../../cli/spec-registry.js'
import { allowing } from '../../plugins/loading/allowed.js'
import { schemaOfSpec } from '../../spec/schema.js'
import { packageRoot, packageVersion } from '../../store/paths.js'
import { goodSpec } from '../spec/good-spec.js'
import { bundles, compile, folderWith } from './folders.js'

const names = ['puzzleflow-short-convolution', 'puzzleflow-sensitivity']

/** A spec's folder with the examples: one as a folder beside it, one installed. */
function place(): string {
  const spec = `plugins: [./convolution, ${names[1]}]\n${goodSpec}`
    .replace('space:\n  attention: [', 'space:\n  attention: [{ block: short-convolution, kernel: 4 }, ')
    .concat('  sensitivity: { uses: sensitivity, needs: [score], with: { top: 3 } }\n')
  const folder = folderWith({ 'spec.yaml': spec })
  const example = (name: string, to: string) =>
    cpSync(join(packageRoot(), 'examples', name), join(folder, to), { recursive: true })
  example('plugin-short-convolution', 'convolution')
  example('plugin-sensitivity', `node_modules/${names[1]}`)
  return folder
}

const allowed = ['--allow-plugin', './convolution', '--allow-plugin', `./node_modules/${names[1]}`]

async function puzzleflow(folder: string, ...args: string[]): Promise<string> {
  const main = join(packageRoot(), 'dist/cli/main.js')
  const env = { ...process.env, XDG_CACHE_HOME: join(bundles, '../..'), XDG_CONFIG_HOME: join(folder, 'none') }
  return (await promisify(execFile)(process.execPath, [main, ...args], { cwd: folder, env })).stdout
}

test('plugins ls tells what the plugins of a spec hold, each with its version, digest, origin and parameters', async () => {
  const folder = place()
  const json = JSON.parse(
    await puzzleflow(folder, 'plugins', 'ls', '--spec', 'spec.yaml', ...allowed, '--json'),
  ) as Listed[]
  expect(json.map(({ name, version, origin, folder }) => ({ name, version, origin, folder }))).toEqual([
    { name: 'puzzleflow', version: packageVersion(), origin: 'built-in', folder: undefined },
    { name: names[0], version: '1.0.0', origin: 'path', folder: join(folder, 'convolution') },
    { name: names[1], version: '1.0.0', origin: 'package', folder: join(folder, 'node_modules', names[1]!) },
  ])
  const [builtIn, convolution, sensitivity] = json
  expect(convolution!.blocks.map(({ slot, name, about }) => [slot, name, about?.source])).toEqual([
    ['attention', 'short-convolution', 'LFM2, arXiv 2511.23404; Hyena, arXiv 2302.10866, section 3.'],
  ])
  const digest = ({ digest }: Listed) => digest!.slice(0, 12)
  expect(digest(convolution!)).toMatch(/^[0-9a-f]{12}$/)
  expect(await puzzleflow(folder, 'plugins', 'ls', '--spec', 'spec.yaml', ...allowed)).toBe(`${listPlugin(builtIn!)}
puzzleflow-short-convolution 1.0.0, path, digest ${digest(convolution!)}, ${folder}/convolution
  attention block short-convolution, version 1
      Two gates around a convolution over the last few tokens, channel by channel.
      kernel  Tokens that a token sees, itself included; 2 to 16. Default: 3.
puzzleflow-sensitivity 1.0.0, package, digest ${digest(sensitivity!)}, ${folder}/node_modules/puzzleflow-sensitivity
  stage sensitivity, version 1
      Ranks the blocks of the parent by the effect of replacing them: which layers are sensitive.
      by       What is compared. Default: "kl".
      variant  Only this variant counts: \`no-op\` shows what a block is worth.
      top      Rows of the page; the CSV has all. Default: 20.
`)
})

test('of what comes with puzzleflow it tells the same: a summary of every type, and what each parameter is', async () => {
  const folder = folderWith()
  const [builtIn] = JSON.parse(await puzzleflow(folder, 'plugins', 'ls', '--json')) as [Listed]
  const text = await puzzleflow(folder, 'plugins', 'ls')
  expect(text).toBe(`${listPlugin(builtIn)}\n`)
  for (const { name, about } of [...builtIn.blocks, ...builtIn.stages])
    expect(about?.summary, name).toMatch(/^[A-Z].*\.$/)
  expect(text).toMatch(
    new RegExp(`^puzzleflow ${packageVersion()}, built-in
  attention block grouped-query, version \\d+
      Softmax attention in which groups of query heads share a key and value head.
      kvHeads  Numbers of key/value heads. Each must divide the number that the parent has. Required.
`),
  )
  expect(text).toContain(`
  stage export, version 4
      Writes the child as a Hugging Face folder and, if the target asks for it, as a GGUF file.
      dtype      Number format of the stored weights. Default: "float16".
      ggufDtype  Number format of the matrices in the GGUF file, if \`target.format\` is gguf; q8_0: 8-bit integers with a scale per 32. Default: dtype.
`)
  expect(text.endsWith('  pipeline puzzle\n')).toBe(true)
})

test('parameters without a description say what values they take', () => {
  const type = { slot: 'ffn', name: 'x', version: 2, methods: [] } as const
  const properties = {
    block: { const: 'x' },
    width: { type: 'integer' },
    kind: { enum: ['a', 'b'], default: 'a' },
    any: {},
    size: { quantity: 'bytes', description: 'How large' },
  }
  const parameters = { type: 'object', required: ['width'], properties }
  const families = [{ name: 'tower', modelTypes: ['tower', 'towers'] }]
  const rest = { stages: [], runs: [], families, pipelines: ['p'] }
  const plugin: Listed = {
    name: 'mine',
    version: '1.0.0',
    origin: 'path',
    folder: '/mine',
    blocks: [{ ...type, parameters }],
    ...rest,
  }
  expect(listPlugin(plugin)).toBe(`mine 1.0.0, path, /mine
  ffn block x, version 2
      width  integer. Required.
      kind   a, b. Default: "a".
      any    any value.
      size   How large.
  family tower, for model_type tower, towers
  pipeline p`)
})

test('the schema of a spec completes parameters of the examples’ block type and stage', async () => {
  const folder = place()
  const allow = allowing(['./convolution', `./node_modules/${names[1]}`].map((text) => ({ text, folder })))
  const { schema, diagnostics } = await schemaOfSpec(join(folder, 'spec.yaml'), specRegistry(undefined, allow))
  expect(diagnostics).toEqual([])
  const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(schema!)
  const spec = `plugins: []\n${goodSpec}`
    .replace('space:\n  attention: [', 'space:\n  attention: [{ block: short-convolution, kernel: 4 }, ')
    .concat('  sensitivity: { uses: sensitivity, needs: [score], with: { top: 3 } }\n')
  expect(spec).toContain('kernel: 4')
  expect(validate(parse(spec)), JSON.stringify(validate.errors)).toBe(true)
  expect(validate(parse(spec.replace('kernel: 4', 'kernel: 0')))).toBe(false)
  expect(validate(parse(spec.replace('kernel: 4', 'kernl: 4')))).toBe(false)
  expect(validate(parse(spec.replace('top: 3', 'top: none')))).toBe(false)
})

test('an `about` that is none is a mistake of the plugin', async () => {
  const folder = folderWith({
    'spec.yaml': `apiVersion: puzzleflow/v1\nname: test\nplugins: [./mine]\npipeline: { stages: { echo: {} } }\n`,
    'mine/package.json': JSON.stringify({
      name: 'mine',
      version: '1.0.0',
      type: 'module',
      puzzleflow: { plugin: './i.js' },
    }),
    'mine/i.js': `export default { stages: [{ name: 'echo', version: 1, reads: [], parameters: {}, about: 'echoes', run() {} }] }`,
  })
  const { diagnostics } = await compile(folder, ['./mine'])
  expect(diagnostics).toEqual([
    'spec.yaml:3:11 broken-plugin The plugin "./mine" cannot be used: mine.stages.0.about must be a map, not "echoes".',
  ])
})
