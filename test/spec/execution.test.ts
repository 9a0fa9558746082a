/** `execution:` says how tasks are run, and nothing about their results. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { taskKey } from '../../lineage/keys.js'
import { specRegistry } from '../../cli/spec-registry.js'
import { loadPlugins } from '../../plugins/registry.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileSpec } from '../../spec/plan.js'
import type { Registry } from '../../spec/registry.js'
import { specSchema } from '../../spec/schema.js'
import { goodSpec, specFolder } from './good-spec.js'
import { registry } from './registry.js'

/** The test's stages; tasks of `distill` may be missing. */
const partial: Registry = {
  ...registry,
  stages: {
    ...registry.stages,
    get(name) {
      const found = registry.stages.get(name)
      return found && name === 'distill' ? { ...found, partial: true } : found
    },
  },
}

async function compiled(execution: string) {
  const { folder, file } = await specFolder(`${goodSpec}execution:\n${execution}`)
  const { plan, diagnostics } = await compileSpec(file, partial)
  return { plan, lines: diagnostics.map((found) => formatDiagnostic(found).replaceAll(`${folder}/`, '')) }
}

test('it sets how the tasks of a stage are run', async () => {
  const { plan, lines } = await compiled(`  distill: { onFailure: continue, minimumSuccess: 95% }
  uptrain: { onFailure: wait, timeout: 2 days, retry: { within: 1 h } }
  profile: { queue: target-machine }
`)
  expect(lines).toEqual([])
  const of = (name: string) => plan!.stages.find((stage) => stage.name === name)
  expect(of('distill')).toMatchObject({ onFailure: 'continue', minimumSuccess: 0.95, partial: true })
  expect(of('uptrain')).toMatchObject({ onFailure: 'wait', timeout: 172_800, retry: { within: 3600 } })
  expect(of('profile')).toMatchObject({ queue: 'target-machine' })
})

test.for<[string, string, readonly string[]]>([
  [
    'an unknown stage',
    '  distil: { timeout: 1 h }\n',
    ['search.yaml:25:3 unknown-stage There is no stage "distil". (did you mean "distill"?)'],
  ],
  [
    'an unknown policy',
    '  distill: { onFailure: continu }\n',
    [
      'search.yaml:25:25 wrong-value execution.distill.onFailure must be one of "fail-fast", "finish-running", "continue", "wait", not "continu". (did you mean "continue"?)',
    ],
  ],
  [
    'an unknown key',
    '  distill: { onFailur: wait }\n',
    ['search.yaml:25:14 unknown-key execution.distill has no key "onFailur". (did you mean "onFailure"?)'],
  ],
  [
    'leaving out tasks of a stage that needs them all',
    '  uptrain: { onFailure: continue }\n',
    [
      'search.yaml:25:3 needs-all-tasks Stage "uptrain" needs all of its tasks, so failed ones cannot be left out. (use `onFailure: wait` or `finish-running`)',
    ],
  ],
])('%s is refused, where it stands', async ([_, execution, expected]) => {
  const { plan, lines } = await compiled(execution)
  expect(plan).toBeUndefined()
  expect(lines).toEqual(expected)
})

test('the schema for editors knows the stages and what may be said of them', () => {
  const validate = new Ajv2020({ strict: false }).compile(specSchema(specRegistry()))
  const spec = {
    apiVersion: 'puzzleflow/v1',
    name: 'a',
    model: './parent',
    data: { train: { path: 'a' }, validate: { path: 'b' } },
    space: { attention: ['parent'], ffn: ['parent'] },
    target: { scenario: { batch: 1, prefill: 1, generate: 1 } },
  }
  const accepts = (execution: object) => validate({ ...spec, execution })
  expect(accepts({ distill: { onFailure: 'continue', minimumSuccess: '95%' } }), JSON.stringify(validate.errors)).toBe(
    true,
  )
  expect(accepts({ distill: { onFailure: 'continu' } })).toBe(false)
  expect(accepts({ distill: { queue: '' } })).toBe(false)
})

test('it changes no key of a task', async () => {
  const keyOf = async (text: string) => {
    const { file } = await specFolder(text)
    const { plan, diagnostics } = await compileSpec(file, partial)
    expect(diagnostics).toEqual([])
    const planned = plan!.stages.find(({ name }) => name === 'distill')!
    const stage = loadPlugins().stage('distill')
    const task = { id: 'layer00/ffn', label: 'layer 0', params: { tokens: 10 }, inputs: {} }
    return {
      digest: plan!.digest,
      key: taskKey({ plan: plan!, planned, stage, params: planned.params, outputs: {} }, task).key,
    }
  }
  const plain = await keyOf(goodSpec)
  const executed = await keyOf(
    `${goodSpec}execution:\n  distill: { onFailure: continue, minimumSuccess: 50%, timeout: 1 h, queue: there }\n`,
  )
  expect(executed.key).toBe(plain.key)
  expect(executed.digest).not.toBe(plain.digest)
})
