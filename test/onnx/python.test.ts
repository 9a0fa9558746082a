import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Decoder, writeOnnx, type Model } from '../../model/index.js'
import { cacheDirectory, packageRoot } from '../../store/paths.js'
import { withVariant } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'
import { openEvery } from './models.js'

const packages = ['onnx==1.23.2', 'onnxruntime==1.30.0', 'numpy']

/** A folder with ONNX's own packages in the user's cache, installed when they are not there; or why there is none. */
function pythonPackages(): { readonly path: string } | { readonly absent: string } {
  const root = join(cacheDirectory(), 'python-onnx')
  const folder = join(root, packages.join('_').replaceAll('=', ''))
  if (existsSync(folder)) return { path: folder }
  mkdirSync(root, { recursive: true })
  const half = mkdtempSync(join(root, 'half-'))
  try {
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', half, ...packages]
    execFileSync('python3', install, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 })
    renameSync(half, folder)
    return { path: folder }
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string }
    return { absent: stderr?.toString().trim().split('\n').at(-1) ?? message }
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
}

const found = pythonPackages()
const skipped = 'absent' in found ? ` (skipped: ${found.absent})` : ''

async function greedy(model: Model, prompts: readonly (readonly number[])[], count: number): Promise<number[][]> {
  const decoder = await Decoder.create(model, { batch: 1 })
  const all: number[][] = []
  for (const prompt of prompts) {
    const own = [(await decoder.prefill(Int32Array.from(prompt))).best[0]!]
    while (own.length < count) own.push((await decoder.step(Int32Array.of(own.at(-1)!))).best[0]!)
    all.push(own)
  }
  await decoder.release()
  return all
}

test.skipIf('absent' in found).each([
  ['every block type', () => openEvery(), {}],
  ['weights in a file of their own', () => openEvery(), { largestInline: 1000 }],
  ['integers', async () => withVariant(await openTiny(), 1, 'ffn', 'swiglu', { width: 40, weights: 'int8' }), {}],
] as const)(
  `ONNX's checker takes the graph of a child with %s, and Python's onnxruntime continues prompts as our decoder${skipped}`,
  async (_, open, options) => {
    if ('absent' in found) return
    const model = await open()
    const folder = join(scratch(), 'exported')
    await writeOnnx(model, folder, options)
    const prompts = Array.from({ length: 20 }, (_, i) => [...someIds(3 + (i % 4), i + 1)])
    const script = join(packageRoot(), 'test/onnx/check.py')
    const text = execFileSync('python3', [script, folder, JSON.stringify(prompts), '8'], {
      encoding: 'utf8',
      env: { ...process.env, PYTHONPATH: found.path },
    })
    expect(JSON.parse(text)).toEqual(await greedy(model, prompts, 8))
  },
  60_000,
)
