import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { shortConvolution } from '../../examples/plugin-short-convolution/short-convolution.js'
import { embed, Forward, generate, Head, openModel, replaceBlocks, writeModel } from '../../model/index.js'
import type { BlockType } from '../../api/index.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { layerFacts } from '../../model/config.js'
import { packageRoot } from '../../store/paths.js'
import { readTensors } from '../../tensor/index.js'
import { writeTinySearch } from '../cli/tiny-search.js'
import { bundles, folderWith, manifest } from './folders.js'

const type = shortConvolution as unknown as BlockType
const blocks = makeBlocks([...builtInBlocks, type])
const folder = await writeTinySearch()
afterAll(() => rmSync(folder, { recursive: true }))
cpSync(join(packageRoot(), 'examples/plugin-short-convolution'), join(folder, 'convolution'), { recursive: true })

// A child of the tiny parent, with the plugin's block in its second layer.
const parent = await openModel(join(folder, 'parent'), blocks)
const [facts, params] = [layerFacts(parent.config, 1), { kernel: 3 }]
const { norm, ...own } = await parent.weights(1, 'attention')
const made = await type.initialise(own, facts, params, {})
const weights = { norm: norm!, ...made }
const replacement = { layer: 1, slot: 'attention', block: type.name, params, weights } as const
await writeModel(replaceBlocks(parent, [replacement]), join(folder, 'child'), { dtype: 'float32' })
const child = await openModel(join(folder, 'child'), blocks)

/** Runs the command in the folder. */
async function puzzleflow(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = join(packageRoot(), 'dist/cli/main.js')
  const env = { ...process.env, XDG_CACHE_HOME: join(bundles, '../..'), XDG_CONFIG_HOME: join(folder, 'none') }
  const ended = promisify(execFile)(process.execPath, [main, ...args], { cwd: folder, env })
  return ended.then(
    (output) => ({ code: 0, ...output }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  )
}

const generating = ['generate', 'child', '--tokens', '4,5,28', '-n', '6', '--ignore-eos']
const expected: number[] = []
for await (const token of generate(child, [4, 5, 28], { maxTokens: 6, temperature: 0, seed: 1, ignoreEos: true }))
  expected.push(token)

test('generate goes on with a child that has a plugin’s block type, where the plugin is allowed', async () => {
  const { code, stdout, stderr } = await puzzleflow(...generating, '--allow-plugin', './convolution', '--json')
  expect(code, stderr).toBe(0)
  expect((JSON.parse(stdout) as { tokens: number[] }).tokens).toEqual(expected)
})

test('logits of such a child are those of its layers', async () => {
  writeFileSync(join(folder, 'ids.json'), JSON.stringify({ input_ids: [[4, 5, 28, 9]] }))
  const args = ['logits', 'child', '--tokens', 'ids.json', '-o', 'logits.safetensors']
  const { code, stderr } = await puzzleflow(...args, '--allow-plugin', './convolution')
  expect(code, stderr).toBe(0)
  const forward = new Forward(1, 4)
  const x = embed(await child.embedding(), child.config, Int32Array.of(4, 5, 28, 9))
  const head = await Head.create(child)
  const wanted: number[] = []
  for await (const { count, logits } of head.logits(await forward.layers(child, x, 0, child.config.layers)))
    wanted.push(...logits.subarray(0, count * child.config.vocabulary))
  await forward.release()
  await head.release()
  const { tensors } = await readTensors(join(folder, 'logits.safetensors'))
  expect(Array.from(tensors.logits!.data as Float32Array)).toEqual(wanted)
})

test('without leave nothing of a plugin runs, and the message says what to do', async () => {
  const { code, stderr } = await puzzleflow(...generating)
  expect(code).toBe(2)
  expect(stderr).toContain('There is no attention block type "short-convolution"')
  expect(stderr).toContain('Remedy: Allow the plugin that provides it: --allow-plugin FOLDER_OR_PACKAGE.')
})

test('a plugin that the settings allow is found; what else they allow is not in the way', async () => {
  const settings = join(folder, 'none/puzzleflow')
  mkdirSync(settings, { recursive: true })
  writeFileSync(
    join(settings, 'puzzleflow.config.yaml'),
    "allowPlugins: ['./nothing-here', not-installed, ../../data, ../../convolution]\n",
  )
  const { code, stdout, stderr } = await puzzleflow(...generating, '--json')
  rmSync(settings, { recursive: true })
  expect(code, stderr).toBe(0)
  expect((JSON.parse(stdout) as { tokens: number[] }).tokens).toEqual(expected)
})

test('a named plugin that is none is told, and another plugin does not help', async () => {
  const absent = await puzzleflow(...generating, '--allow-plugin', './nothing-here')
  expect(absent.code).toBe(2)
  expect(absent.stderr).toContain('nothing-here')
  const other = folderWith({ 'package.json': manifest('other'), 'index.js': 'export default {}' })
  const { code, stderr } = await puzzleflow(...generating, '--allow-plugin', other)
  expect(code).toBe(2)
  expect(stderr).toContain('There is no attention block type "short-convolution"')
})
