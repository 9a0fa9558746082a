import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { specRegistry } from '../../cli/spec-registry.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileSpec } from '../../spec/plan.js'
import { goodSpec, specFolder } from './good-spec.js'
import { registry } from './registry.js'

/** The plan of a spec without mistakes. */
async function planOf(file: string) {
  const { diagnostics, plan } = await compileSpec(file, registry)
  expect(diagnostics.map(formatDiagnostic)).toEqual([])
  return plan!
}

test('a good spec becomes a plan: quantities read, paths absolute, defaults filled in', async () => {
  const { folder, file } = await specFolder()
  const plan = await planOf(file)
  expect(plan.inputs).toEqual({
    model: join(folder, 'parent'),
    data: {
      train: { path: join(folder, 'data/train.jsonl') },
      validate: { path: join(folder, 'data/validate.jsonl') },
      sequenceLength: 128,
    },
    space: {
      attention: [
        { block: 'parent' },
        { block: 'grouped-query', kvHeads: [2, 1] },
        { block: 'linear' },
        { block: 'no-op' },
      ],
      ffn: [{ block: 'parent' }, { block: 'swiglu', width: ['75%', '50%'] }, { block: 'no-op' }],
    },
    target: {
      scenario: { batch: 16, prefill: 64, generate: 128 },
      limits: {
        throughput: { bound: 'min', value: 1.7, unit: 'parent' },
        memory: { bound: 'max', value: 0.7, unit: 'parent' },
      },
      quality: { bound: 'min', value: 0.97, unit: 'parent' },
    },
    tasks: join(folder, 'tasks'),
  })
  expect(Object.keys(plan.inputDigests)).toEqual(['model', 'data.train.path', 'data.validate.path', 'tasks'])
  expect(plan).toMatchObject({
    version: 1,
    name: 'quickstart',
    pipeline: 'puzzle',
    seed: 7,
    specFile: file,
    plugins: [],
  })
  const paramsOf = (name: string) => plan.stages.find((stage) => stage.name === name)!.params
  expect(paramsOf('distill')).toEqual({ tokens: 50_000, mode: 'decoupled', rate: 0.001 })
  expect(paramsOf('solve')).toEqual({ solutions: 3, minimumDifference: 0.2 })
  expect(paramsOf('evaluate-child')).toEqual({ of: 'child', split: 'test', texts: 12 })
  expect(plan.blocks).toContainEqual({ slot: 'ffn', name: 'swiglu', version: 1 })
})

test('without tasks, quality may be bounded by perplexity and KL', async () => {
  const quality = "quality: { perplexity: '<= 1.1x', kl: '<= 0.05 nats' }"
  const { file } = await specFolder(goodSpec.replace('quality: ">= 97%"', quality).replace('tasks: ./tasks\n', ''))
  expect((await planOf(file)).inputs.target).toMatchObject({
    quality: {
      perplexity: { bound: 'max', value: 1.1, unit: 'parent' },
      kl: { bound: 'max', value: 0.05, unit: 'nats' },
    },
  })
})

test('the stages of pipeline puzzle come in an order in which each one follows those it needs', async () => {
  const plan = await planOf((await specFolder()).file)
  expect(plan.stages.map(({ name }) => name)).toEqual([
    'prepare',
    'profile',
    'check-limits',
    'capture',
    'depth',
    'distill',
    'score',
    'solve',
    'refine',
    'evaluate',
    'select',
    'uptrain',
    'check-child',
    'improve',
    'evaluate-child',
    'export',
    'report',
  ])
  for (const [i, { needs }] of plan.stages.entries())
    for (const need of needs) expect(plan.stages.findIndex(({ name }) => name === need)).toBeLessThan(i)
})

test('the digest does not depend on where the folder lies', async () => {
  const [first, second] = [await planOf((await specFolder()).file), await planOf((await specFolder()).file)]
  expect(first.inputs.model).not.toBe(second.inputs.model)
  expect(second.digest).toBe(first.digest)
})

test('how a spec is laid out and commented does not enter the digest', async () => {
  const first = await planOf((await specFolder()).file)
  const text = goodSpec
    .replace('{ tokens: 50k, mode: decoupled }', '{ mode: decoupled, tokens: 50000 } # the same')
    .replace('./parent', 'parent/')
    .replace('- no-op', '- { block: no-op }')
    .replace('"<= 70%"', '0.7x')
  expect((await planOf((await specFolder(text)).file)).digest).toBe(first.digest)
})

test('contents of inputs, parameters and seed enter the digest', async () => {
  const { folder, file } = await specFolder()
  const { digest } = await planOf(file)
  const changes = [
    goodSpec.replace('seed: 7', 'seed: 8'),
    goodSpec.replace('50k', '51k'),
    goodSpec.replace('1.7x', '1.8x'),
  ]
  for (const text of changes) expect((await planOf((await specFolder(text)).file)).digest).not.toBe(digest)
  await writeFile(join(folder, 'data/train.jsonl'), '{"text":"c"}\n')
  const changed = await planOf(file)
  expect(changed.digest).not.toBe(digest)
  await writeFile(join(folder, 'parent/.cache'), 'a hidden file does not count')
  expect((await planOf(file)).digest).toBe(changed.digest)
  await writeFile(join(folder, 'parent/more.json'), '{}')
  expect((await planOf(file)).digest).not.toBe(changed.digest)
})

test('a stage can be left out when nothing needs it', async () => {
  const { file } = await specFolder(`${goodSpec}  export: false\n  check-limits: false\n`)
  const plan = await planOf(file)
  expect(plan.stages.map(({ name }) => name)).not.toContain('export')
  expect(plan.stages.find(({ name }) => name === 'capture')!.needs).toEqual(['prepare'])
})

test('the child is exported as selected when uptraining is left out', async () => {
  const plan = await planOf((await specFolder(`${goodSpec}  uptrain: false\n  evaluate-child: false\n`)).file)
  expect(plan.stages.find(({ name }) => name === 'export')!.needs).toEqual(['improve', 'select', 'distill'])
})

test('pipeline puzzle fits the built-in stages', async () => {
  const builtIn = { ...specRegistry(), inspect: async () => ({ problems: [], blocks: [] }) } // the folder's parent is no model
  const { file, folder } = await specFolder(goodSpec.replace(/^stages:[^]*$/m, ''))
  await writeFile(join(folder, 'tasks/tasks.json'), '{"add":{}}')
  await writeFile(join(folder, 'parent/model.safetensors'), '')
  const { diagnostics } = await compileSpec(file, builtIn)
  expect(diagnostics.map(formatDiagnostic)).toEqual([])
})

test('a stage can be added, with values of stages before it', async () => {
  const added = '  note:\n    uses: echo\n    needs: [solve]\n    timeout: 5 min\n    retry: { within: 1 h }\n'
  const { file } = await specFolder(`${goodSpec}${added}    with: { count: "\${{ stages.score.outputs.count }}" }\n`)
  const plan = await planOf(file)
  expect(plan.stages.find(({ name }) => name === 'note')).toEqual({
    name: 'note',
    uses: 'echo',
    version: 1,
    needs: ['solve', 'score'],
    params: { count: '${{ stages.score.outputs.count }}' },
    timeout: 300,
    retry: { within: 3600 },
  })
})

test('a stage can be replaced by one of another type', async () => {
  const { file } = await specFolder(`${goodSpec}  score: { uses: echo, replace: true, with: { text: x } }\n`)
  const plan = await planOf(file)
  expect(plan.stages.find(({ name }) => name === 'score')).toMatchObject({
    uses: 'echo',
    needs: ['distill', 'capture', 'prepare'],
    params: { text: 'x' },
  })
})

const ownPipeline = `apiVersion: puzzleflow/v1
name: words
corpus: ./data/train.jsonl
pipeline:
  inputs:
    corpus: { type: string, format: file }
    notes: { type: string, optional: true }
    rate: { type: number, default: 0.5 }
  stages:
    last: { uses: echo, needs: [first] }
    first: { uses: echo, with: { text: hello } }
stages:
  first: { count: 3k }
`

test('a spec can hold a pipeline of its own, with inputs of its own', async () => {
  const { folder, file } = await specFolder(ownPipeline)
  const plan = await planOf(file)
  expect(plan.pipeline).toBe('custom')
  expect(plan.inputs).toEqual({ corpus: join(folder, 'data/train.jsonl'), rate: 0.5 })
  expect(plan.stages.map(({ name, params }) => [name, params])).toEqual([
    ['first', { text: 'hello', count: 3000 }],
    ['last', {}],
  ])
})

test('the digest of a plan stands still, so that runs of before are found', async () => {
  const { digest } = await planOf((await specFolder(ownPipeline)).file)
  expect(digest).toMatchInlineSnapshot(`"20c767dbe0abef95a6e1e61b77194c54aa3c64a8ede42c325f26f758923f0037"`)
})

test("a pipeline of one's own can take its inputs from a built-in one", async () => {
  const pipeline = 'pipeline:\n  inputs: puzzle\n  stages: { prepare: {} }\n'
  const plan = await planOf((await specFolder(goodSpec.replace(/stages:[^]*$/, pipeline))).file)
  expect(plan.stages.map(({ name }) => name)).toEqual(['prepare'])
})
