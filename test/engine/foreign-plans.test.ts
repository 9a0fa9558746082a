import { MockActivityEnvironment } from '@temporalio/testing'
import { DefaultLogger } from '@temporalio/worker'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { makeActivities } from '../../activities/activities.js'
import { Admission } from '../../activities/admission.js'
import { checkForm, checkTypes } from '../../activities/checked-plan.js'
import type { Job } from '../../activities/job.js'
import { Slots } from '../../activities/slots.js'
import { specRegistry } from '../../cli/spec-registry.js'
import { sweepPlan } from '../../cli/sweep-plan.js'
import { allowing } from '../../plugins/loading/allowed.js'
import { loadPlugins } from '../../plugins/registry.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { traitsOf } from '../../errors/kinds.js'
import { parseLimitOption, spacedValues } from '../../spec/limit-range.js'
import { compileSpec, compileText } from '../../spec/plan.js'
import { digestBytes } from '../../store/digest.js'
import { FileStore } from '../../store/index.js'
import { packageRoot } from '../../store/paths.js'
import { silentWatch } from '../silent.js'
import { temporaryFolder } from '../temporary-folder.js'

/** What somebody can make a worker do who can start workflows on its server: give its activities any plan and any arguments. */

const quickstart = join(packageRoot(), 'examples/quickstart/search.yaml')
let honest: FrozenPlan
beforeAll(async () => {
  honest = (await compileSpec(quickstart, specRegistry())).plan!
})

let store: FileStore
let jobs: Job[]
let planned: unknown
let activities: ReturnType<typeof makeActivities>
beforeEach(() => {
  store = new FileStore(join(temporaryFolder('foreign'), 'store'))
  jobs = []
  planned = []
  activities = makeActivities({
    store,
    host: {
      run: (job) => {
        jobs.push(job)
        return Promise.resolve(job.kind === 'plan' ? planned : { values: {}, files: {} })
      },
    },
    slots: new Slots(1),
    admission: new Admission(1),
    watch: silentWatch(),
    loaded: loadPlugins(),
  })
})

const worker = new MockActivityEnvironment({ attempt: 1 }, { logger: new DefaultLogger('ERROR') })
const perform = <R>(activity: () => Promise<R>) => worker.run<[], R, () => Promise<R>>(activity)

/** How the worker answers the request to plan a stage. */
async function answerTo(plan: unknown, stage = 'prepare', outputs: object = {}): Promise<string> {
  const request = { plan: await store.putJson('plan', plan), stage, outputs: outputs as never }
  return perform(() => activities.planStage(request)).then(
    () => 'done',
    (error: unknown) => {
      const { type, message } = error as { type: string; message: string }
      // Another attempt would end in the same way.
      if (traitsOf(type)?.retryable !== false) throw error
      return `${type}: ${message}`
    },
  )
}
const withStage = (name: string, change: object): FrozenPlan => ({
  ...honest,
  stages: honest.stages.map((stage) => (stage.name === name ? { ...stage, ...change } : stage)),
})

test('the plans of the examples are taken as they are', async () => {
  expect(await answerTo(honest)).toBe('done')
  expect(jobs.map(({ kind }) => kind)).toEqual(['plan'])
  const allowed = allowing([{ text: 'examples/command-stage', folder: packageRoot() }])
  for (const name of ['quickstart/search', 'command-stage/letters', 'long-context/search']) {
    const file = join(packageRoot(), 'examples', `${name}.yaml`)
    const { plan, diagnostics } = await compileSpec(file, specRegistry(loadPlugins(), allowed))
    if (!plan) throw new Error(diagnostics.map(({ message }) => message).join('\n'))
    expect(() => checkTypes(checkForm(plan), loadPlugins()), name).not.toThrow()
  }
  const option = parseLimitOption('throughput=1.2x..1.8x', { throughput: 'throughput-limit' })
  if (option.kind !== 'range') throw new Error('that is a range')
  const { range } = option
  const swept = sweepPlan(honest, { range, values: spacedValues(range, 3), fixed: {}, measure: true }, loadPlugins())
  expect(() => checkTypes(checkForm(swept), loadPlugins())).not.toThrow()
})

test.each<[string, () => unknown, RegExp]>([
  ['is a list', () => [1], /it is not an object/],
  ['is of another version', () => ({ ...honest, version: 2 }), /version/],
  ['has keys that plans do not have', () => ({ ...honest, run: 'rm' }), /has no key "run"/],
  ['has no stages', () => ({ ...honest, stages: [] }), /stages/],
  [
    'has more stages than a spec can have',
    () => ({ ...honest, stages: Array.from({ length: 1001 }, (_, i) => ({ ...honest.stages[0], name: `s${i}` })) }),
    /stages/,
  ],
  ['has a stage whose name is a path', () => withStage('prepare', { name: '../../x' }), /name/],
  ['has a stage twice', () => ({ ...honest, stages: [...honest.stages, honest.stages[0]] }), /two stages "prepare"/],
  ['has stages in a circle', () => withStage('prepare', { needs: ['report'] }), /comes before "report"/],
  ['has an endless seed', () => ({ ...honest, seed: 1e300 }), /seed/],
  [
    'has a digest that leads to another folder',
    () => ({ ...honest, plugins: [{ name: 'a', version: '1', digest: '../../a' }] }),
    /digest/,
  ],
  ['names a stage type that is not here', () => withStage('prepare', { uses: 'shell' }), /no stage type "shell"/],
  [
    'has a stage type of another version',
    () => withStage('prepare', { version: 99 }),
    /version 99 of the stage type "prepare"/,
  ],
  [
    'gives a plugin as the origin of a built-in stage',
    () => withStage('prepare', { plugin: digestBytes('a') }),
    /does not come from/,
  ],
  ['makes a gate of a stage that works', () => withStage('prepare', { gate: true }), /is not a "prepare"/],
  [
    'has block types of another version',
    () => ({ ...honest, blocks: honest.blocks.map((block) => ({ ...block, version: 99 })) }),
    /version 99 of the attention block type/,
  ],
  [
    'has a parameter that the stage does not have',
    () => withStage('prepare', { params: { shell: 'rm' } }),
    /has no key "shell"/,
  ],
  ['has a parameter of another type', () => withStage('distill', { params: { tokens: [1] } }), /tokens/],
  ['has a time limit that is a text', () => withStage('prepare', { timeout: 'soon' }), /timeout/],
  [
    'has a plugin that this user has not allowed',
    () => ({ ...honest, plugins: [{ name: 'a', version: '1', digest: digestBytes('a') }] }),
    /./,
  ],
])('a plan that %s is refused before anything runs', async (_, plan, message) => {
  const answer = await answerTo(plan())
  expect(answer).toMatch(message)
  expect(answer).toMatch(/^InvalidInput: /)
  expect(jobs).toEqual([])
})

test('a plan can only name files whose contents its author knows', async () => {
  const secret = join(temporaryFolder('secret'), 'key.txt')
  writeFileSync(secret, 'TOP-SECRET')
  const data = { ...(honest.inputs.data as object), train: { path: secret } }
  const inputs = { ...honest.inputs, data } as never
  const guessed = { ...honest.inputDigests, 'data.train.path': digestBytes('a guess') }
  const without = Object.fromEntries(Object.entries(honest.inputDigests).filter(([name]) => name !== 'data.train.path'))
  expect(await answerTo({ ...honest, inputs, inputDigests: guessed })).toBe(
    `InvalidInput: ${secret} has changed since the plan was made`,
  )
  expect(await answerTo({ ...honest, inputs, inputDigests: without })).toBe(
    `InvalidInput: The plan is refused: it does not say what ${secret} contains`,
  )
  const known = { ...honest.inputDigests, 'data.train.path': digestBytes('TOP-SECRET') }
  expect(jobs).toEqual([])
  expect(await answerTo({ ...honest, inputs, inputDigests: known })).toBe('done')
})

test('data that have changed since the plan was made are not taken for those before', async () => {
  const folder = temporaryFolder('spec')
  mkdirSync(join(folder, 'data'))
  const text = join(folder, 'data/train.txt')
  writeFileSync(text, 'copy fox owl seal . '.repeat(2000))
  const spec = `apiVersion: puzzleflow/v1
name: changed
model: ${join(packageRoot(), 'examples/quickstart/parent')}
data: { train: { path: ${text} }, validate: { path: ${text} } }
space: { attention: [parent], ffn: [parent] }
target: { scenario: { batch: 1, prefill: 8, generate: 8 }, limits: { memory: '<= 1x' } }
`
  const { plan, diagnostics } = await compileText(join(folder, 'spec.yaml'), spec, specRegistry())
  expect(diagnostics.filter(({ severity }) => severity === undefined)).toEqual([])
  expect(await answerTo(plan)).toBe('done')
  writeFileSync(text, 'copy seal owl fox . '.repeat(2000))
  expect(await answerTo({ ...plan!, seed: 2 })).toBe(`InvalidInput: ${text} has changed since the plan was made`)
})

test('files of a command are named by their contents too', async () => {
  const { plan } = await compileText(
    join(packageRoot(), 'examples/command-stage/letters.yaml'),
    `apiVersion: puzzleflow/v1
name: cat
pipeline: { stages: { read: { uses: command, with: { command: [cat], files: { words: ./words.txt } } } } }
`.replace('./words.txt', './letters.py'),
    specRegistry(loadPlugins(), allowing([{ text: 'examples/command-stage', folder: packageRoot() }])),
  )
  expect(await answerTo(plan, 'read')).toBe('done')
  const [stage] = plan!.stages
  const params = { ...stage!.params, files: { words: '/etc/hostname', more: '/etc/passwd' } }
  expect(await answerTo({ ...plan!, stages: [{ ...stage, params }] }, 'read')).toMatch(
    /^InvalidInput: .*(has changed since|does not say what)/,
  )
})

test('a stage gets the outputs of the stages that it needs, and no others', async () => {
  const ref = await store.putJson('outputs', { values: {}, files: {} })
  expect(await answerTo(honest, 'prepare', { distill: ref })).toBe(
    'InvalidInput: The stage prepare must get the outputs of no stage',
  )
  expect(await answerTo(honest, 'capture', {})).toMatch(/^InvalidInput: The stage capture must get the outputs of /)
  expect(await answerTo(honest, '../x')).toBe('InvalidInput: The plan has no stage "../x"')
  expect(jobs).toEqual([])
})

test.each<[string, unknown]>([
  ['no list', { tasks: [] }],
  ['a list of texts', ['rm']],
  ['a task without parameters', [{ id: 'a', label: 'a', inputs: {} }]],
  ['a task whose inputs are not artifacts', [{ id: 'a', label: 'a', params: {}, inputs: { x: '/etc/passwd' } }]],
  ['two tasks of one name', Array.from({ length: 2 }, () => ({ id: 'a', label: 'a', params: {}, inputs: {} }))],
  ['a task with a name of a megabyte', [{ id: 'a'.repeat(2 ** 20), label: 'a', params: {}, inputs: {} }]],
])('%s in the place of the tasks of a stage is refused', async (_, tasks) => {
  const plan = await store.putJson('plan', honest)
  const request = { plan, stage: 'prepare', outputs: {}, tasks: await store.putJson('tasks', tasks) }
  const task = { index: 0, id: 'a', label: 'a' }
  await expect(perform(() => activities.executeTask({ ...request, task }))).rejects.toMatchObject({
    type: 'PluginBug',
  })
  await expect(perform(() => activities.gatherStage({ ...request, skipped: [] }))).rejects.toMatchObject({
    type: 'PluginBug',
  })
  expect(jobs).toEqual([])
})

test('a result is gathered from the tasks of the list, in their order', async () => {
  planned = [{ id: 'prepare', label: 'prepare', params: {}, inputs: {} }]
  const request = { plan: await store.putJson('plan', honest), stage: 'prepare', outputs: {} }
  const { tasks } = await perform(() => activities.planStage(request))
  const at = (index: number) => ({ ...request, tasks, task: { index, id: 'prepare', label: 'prepare' } })
  for (const index of [1, -1, 0.5])
    await expect(perform(() => activities.executeTask(at(index)))).rejects.toThrow('do not match its list')
  const { key } = await perform(() => activities.executeTask(at(0)))
  const gather = (keys: readonly string[]) =>
    perform(() => activities.gatherStage({ ...request, tasks, keys, skipped: [] }))
  await expect(gather([digestBytes('another')])).rejects.toThrow('do not match its list')
  await expect(gather([key, key])).rejects.toThrow('do not match its list')
  await expect(gather([key])).resolves.toMatchObject({ reused: false })
})
