import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { llamaTensors } from '../../model/families/tensors.js'
import { packageRoot } from '../../store/paths.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { addFiles, bundles, compile, inside, manifest } from './folders.js'

const folder = await writeTinySearch()
afterAll(() => rmSync(folder, { recursive: true }))
const family = (more: object = {}) => ({
  name: 'cub',
  modelTypes: ['cub'],
  architectures: ['CubForCausalLM'],
  tensors: llamaTensors,
  ...more,
})
const plugin = (families: readonly object[]) =>
  inside('cub', {
    'package.json': manifest('cub'),
    'index.js': `export default { families: ${JSON.stringify(families)} }`,
  })
addFiles(folder, { 'spec.yaml': `${tinySpec}plugins: [./cub]\n`, ...plugin([family()]) })
const config = join(folder, 'parent/config.json')
const llama = readFileSync(config, 'utf8')
const generate = async (...args: string[]) => {
  const main = join(packageRoot(), 'dist/cli/main.js')
  const env = { ...process.env, XDG_CACHE_HOME: join(bundles, '../..'), XDG_CONFIG_HOME: join(folder, 'none') }
  const command = [main, 'generate', 'parent', '--tokens', '4,5,28', '-n', '6', '--ignore-eos', '--json', ...args]
  return (await promisify(execFile)(process.execPath, command, { cwd: folder, env })).stdout
}

test('a model of a plugin’s family is read where the plugin is allowed, and its plan names the plugin', async () => {
  const expected = await generate()
  const { plan: before } = await compile(folder, ['./cub'])
  expect(before!.family).toBeUndefined()
  writeFileSync(
    config,
    JSON.stringify({ ...(JSON.parse(llama) as object), model_type: 'cub', architectures: ['CubForCausalLM'] }),
  )
  await expect(generate()).rejects.toThrow('"CubForCausalLM" (model_type "cub") is not supported')
  expect(await generate('--allow-plugin', './cub')).toBe(expected)
  const { plan, diagnostics } = await compile(folder, ['./cub'])
  expect(diagnostics).toEqual([])
  expect(plan!.family).toEqual({ name: 'cub', plugin: plan!.plugins[0]!.digest })
})

test.each<[string, object[], string]>([
  [
    'takes a built-in model_type',
    [family({ modelTypes: ['llama'] })],
    'model_type "llama", which puzzleflow itself has',
  ],
  ['has no tensors', [family({ tensors: undefined })], 'tensors'],
])('a plugin whose family %s is refused', async (_, families, message) => {
  addFiles(folder, plugin(families))
  const { diagnostics } = await compile(folder, ['./cub'])
  expect(diagnostics.join('\n')).toContain(message)
})
