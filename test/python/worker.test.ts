import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { FileStore, type ArtifactRef, type TaskRecord } from '../../store/index.js'
import { readTensors } from '../../tensor/index.js'
import { Place } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { endChild } from '../processes.js'
import { serverTimeout, testServer } from '../temporal.js'
import { example, pythonWithPackages } from './packages.js'

// The packages come from PyPI once; then they are in the user's cache.
const found = pythonWithPackages()
const name = 'a worker in Python distils what ours distils, and the search goes on with its result'
const title = 'absent' in found ? `${name} (skipped: ${found.absent})` : name

/** FFNs alone are distilled: that is what the example knows. */
const spec = tinySpec
  .replace(
    / {2}attention: .*\n {2}ffn: .*\n/,
    '  attention: [parent]\n  ffn: [parent, { block: swiglu, width: [50%, 25%] }]\n',
  )
  .replace('besideNoOp: parent', 'besideNoOp: none')

let here: Place
let there: Place
let program: ChildProcess | undefined
beforeEach(async () => {
  await testServer()
  const folder = await writeTinySearch(spec)
  writeFileSync(
    join(folder, 'there.yaml'),
    `${spec.replace('name: tiny', 'name: there')}execution: { distill: { queue: gpu } }
`,
  )
  here = new Place(folder, inject('stateHome'))
  there = new Place(folder, inject('stateHome'), 'store-there')
}, serverTimeout)
afterEach(async () => {
  await endChild(program)
  await there.endWorker()
  await here.close()
})

interface Entry {
  readonly id: string
  readonly variant: string
  readonly nmseBefore: number
  readonly nmseAfter: number
  readonly parameters: number
}
interface Distilled extends Entry {
  readonly weights: Readonly<Record<string, Float32Array>>
  readonly curve: readonly { readonly step: number; readonly loss: number }[]
  readonly components: unknown
}

/** What was distilled in a place, by entry. */
async function distilled({ store: root }: Place): Promise<Record<string, Distilled>> {
  const store = new FileStore(root)
  const open = (ref: ArtifactRef) => store.path(ref)
  const names = readdirSync(join(root, 'records'), { recursive: true, encoding: 'utf8' })
  const all: Record<string, Distilled> = {}
  for (const file of names.filter((file) => file.endsWith('.json'))) {
    const { outputs, components } = JSON.parse(readFileSync(join(root, 'records', file), 'utf8')) as TaskRecord
    const { entries } = outputs.values as { entries?: unknown }
    if (!Array.isArray(entries)) continue
    const [entry] = entries as [Entry]
    const { tensors } = await readTensors(await open(outputs.files[entry.id]!))
    const weights = Object.entries(tensors).map(([own, { data }]) => [own, data as Float32Array] as const)
    const curve = (await store.readJson(outputs.files.curve!)) as Distilled['curve']
    all[entry.id] = { ...entry, weights: Object.fromEntries(weights), curve, components }
  }
  return all
}

test.skipIf('absent' in found)(
  title,
  async () => {
    if ('absent' in found) return
    const described = await there.run('worker', '--queue', 'gpu', '--describe')
    expect(described.code).toBe(0)
    expect(JSON.parse(described.stdout)).toMatchObject({ namespace: 'default', store: there.store })
    const file = join(there.folder, 'gpu.json')
    writeFileSync(file, described.stdout)
    program = spawn(found.python, ['-u', join(example, 'worker.py'), file, '--device', found.device], {
      env: { ...process.env, PYTHONPATH: found.path, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const theirs = await there.run('run', 'there.yaml', '--until', 'score')
    expect({ code: theirs.code, text: theirs.code === 0 ? '' : theirs.stderr }).toEqual({ code: 0, text: '' })
    const ours = await here.run('run', 'search.yaml', '--until', 'score')
    expect({ code: ours.code, text: ours.code === 0 ? '' : ours.stderr }).toEqual({ code: 0, text: '' })

    const [a, b] = [await distilled(here), await distilled(there)]
    expect(Object.keys(b).sort()).toEqual(Object.keys(a).sort())
    expect(Object.keys(b)).toHaveLength(4)
    for (const [id, own] of Object.entries(a)) {
      const other = b[id]!
      // The same task: the key does not say who did it.
      expect(other.components).toEqual(own.components)
      expect(other.parameters).toBe(own.parameters)
      expect(Math.abs(other.nmseBefore / own.nmseBefore - 1)).toBeLessThan(1e-4)
      // Float32 sums in another order, over hundreds of steps.
      expect(Math.abs(other.nmseAfter / own.nmseAfter - 1)).toBeLessThan(0.01)
      expect(own.nmseAfter).toBeLessThan(0.9 * own.nmseBefore)
      own.curve.forEach(({ step, loss }, i) => {
        expect(other.curve[i]!.step).toBe(step)
        expect(Math.abs(other.curve[i]!.loss / loss - 1), `${id}, step ${step}`).toBeLessThan(0.01)
      })
      for (const [weight, data] of Object.entries(own.weights)) {
        const size = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0))
        const apart = Math.sqrt(data.reduce((sum, value, i) => sum + (value - other.weights[weight]![i]!) ** 2, 0))
        expect(apart / size, `${id}, ${weight}`).toBeLessThan(0.01)
      }
    }
  },
  serverTimeout,
)
