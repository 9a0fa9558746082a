import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeOnnx } from '../../model/index.js'
import { packageRoot } from '../../store/paths.js'
import { installedOnce, versionOf, withPip } from '../installed.js'
import { greedy } from '../model/greedy.js'
import { withVariant } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'
import { openEvery } from './models.js'

const packages = ['onnx==1.23.2', 'onnxruntime==1.30.0', 'numpy']

const found = installedOnce('python-onnx', versionOf(packages), withPip(packages))
const skipped = 'absent' in found ? ` (skipped: ${found.absent})` : ''

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
)
