import { expect, test } from 'vitest'
import type { JsonObject, Outputs, TaskPlan } from '../../api/index.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { Attempt, Described } from '../../puzzle/hand-over.js'
import { readTensors } from '../../tensor/index.js'
import { asTensors, putTensors, untrainedChild } from './children.js'
import { costTable, fakeSpace, giveScores, passes, scoreRow } from './fakes.js'
import { Search } from './run-stage.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const measuring = { repetitions: 1, retime: 0, sequences: 4, items: 3 }

interface Setup {
  readonly target?: JsonObject
  /** The first child's share of the parent's accuracy. */
  readonly accuracy?: number
  /** KL by points of the first child's training. */
  readonly kls?: readonly number[]
  /** Of the first training. */
  readonly tokens?: number
  readonly improve?: JsonObject
  readonly stages?: JsonObject
}

/** A search whose first child was trained and measured. */
async function searchOf({
  target = {},
  accuracy = 0.5,
  kls = [4, 3, 2, 1],
  tokens = 800,
  improve = {},
  stages = {},
}: Setup): Promise<Search> {
  const spec = tinySpec({
    space: fakeSpace,
    target: { scenario: { ...costTable.scenario }, ...target },
    stages: { improve: { ...measuring, ...improve }, ...stages },
  })
  const search = await Search.open(world.folder, spec)
  const prepared = await search.outputs('prepare')
  const parent = await search.parent()
  const { library, choice, model } = await untrainedChild(search, parent)
  // Slots stay or go: nothing else in the library needs weights.
  const removals = [0, 1, 2].flatMap((layer) => [
    scoreRow(layer, 'attention', 'no-op', 'parent', 0.1 * (3 - layer)),
    scoreRow(layer, 'ffn', 'parent', 'no-op', 0.07 * (3 - layer)),
  ])
  await giveScores(search, parent, removals)
  search.give('prepare', prepared)
  search.give('distill', { files: { library: await search.store.putJson('library', library) } })
  const predicted = { throughput: 0.7, runtime: 11, memoryBytes: 1, parameters: 1 }
  const solution = { choice, objective: 0.1, predicted }
  search.give('refine', { values: { evaluations: 0 } })
  search.give('solve', {
    values: { composition: 'sum' },
    files: { solutions: await search.store.putJson('solutions', { solutions: [solution] }) },
  })
  const one = (throughput: JsonObject, accuracy: number, kl: number) => ({
    ...{ kl, perplexity: 2, accuracy, tasks: { one: accuracy }, throughput, memoryBytes: 1, parameters: 1 },
  })
  const evaluation = {
    parent: one({ predicted: 0.5, measured: 0.5 }, 1, 0),
    child: one({ predicted: 0.7, measured: 0.7 }, accuracy, 99),
    ratios: { throughput: 1.4, accuracy, memory: 1, parameters: 1 },
    timing: passes(costTable.scenario, { parent: 0.5, child: 0.7 }),
  } as unknown as JsonObject
  search.give('evaluate', { values: { evaluations: [evaluation] } })
  search.give('select', { files: { selected: await search.store.putJson('solution', solution) } })
  let tensors = asTensors({ norm: { shape: [24], data: await model.norm() } })
  for (let layer = 0; layer < 3; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      tensors = { ...tensors, ...asTensors(await model.weights(layer, slot), `layers.${layer}.${slot}.`) }
  search.give('uptrain', {
    values: { steps: 4, tokens, batch: 4, learningRate: 0.01, weightDecay: 0 },
    files: {
      child: await putTensors(search, tensors),
      curve: await search.store.putJson(
        'curve',
        kls.map((kl, step) => ({ step, loss: kl, kl })),
      ),
    },
  })
  search.give('check-child', { values: { evaluations: [evaluation] } })
  return search
}
const valuesOf = ({ values }: Outputs) =>
  values as unknown as {
    readonly attempts: readonly Attempt[]
    readonly child?: Described & { readonly evaluation: Evaluation }
  }

test('a child that is accepted is left alone', async () => {
  const search = await searchOf({ target: { quality: '>= 40%', limits: { throughput: '>= 1.2x' } } })
  expect(await search.outputs('improve')).toEqual({ values: { attempts: [] }, files: {} })
})

test('without a trained and measured child there is nothing to go on with', async () => {
  const search = await searchOf({
    target: { quality: '>= 99%' },
    stages: { uptrain: false },
  })
  expect(await search.outputs('improve')).toEqual({ values: { attempts: [] }, files: {} })
})

test('a child whose quality is short is trained on, from the weights that it has, and measured again', async () => {
  const search = await searchOf({
    target: { quality: '>= 90%' },
    accuracy: 0,
    improve: { attempts: 1, trainOn: '25%' },
  })
  const outputs = await search.outputs('improve')
  const { attempts, child } = valuesOf(outputs)
  expect(attempts).toMatchObject([
    { action: 'train on', because: ['quality 0 is below 0.9018'], tokens: 200, kl: child!.evaluation.child.kl },
  ])
  expect(child!.layers[0]).toEqual({ attention: 'linear', ffn: 'parent' })
  expect(child!.evaluation.child.throughput.predicted).toBe(0.7)
  // A few steps away from where the first training ended, and not from the library's weights.
  const { tensors } = await readTensors(await search.store.path(outputs.files.child!))
  expect(Object.keys(tensors)).toContain('norm')
  const first = await readTensors(await search.store.path((await search.outputs('uptrain')).files.child!))
  const moved = Object.entries(tensors).map(([name, { data }]) => {
    const before = first.tensors[name]!.data as Float32Array
    return Math.max(...(data as Float32Array).map((value, i) => Math.abs(value - before[i]!)))
  })
  // At the rate of the first training, 0.01, weights would move by 0.04.
  expect(Math.max(...moved)).toBeLessThan(0.02)
  expect(Math.max(...moved)).toBeGreaterThan(0.005)
  expect(await search.json(outputs.files.selected)).toMatchObject({ objective: 0.1 })
})

test('the search ends when the budget is spent, with the nearest child', async () => {
  const none = await searchOf({ target: { quality: '>= 90%' }, improve: { attempts: 0 } })
  expect(await none.outputs('improve')).toEqual({ values: { attempts: [] }, files: {} })

  // More than the parent reaches: nothing is accepted, and the first child is the nearest of those that do worse.
  const search = await searchOf({ target: { quality: '>= 100%' }, accuracy: 0.999, improve: { attempts: 2 } })
  const { attempts, child } = valuesOf(await search.outputs('improve'))
  expect(attempts.length).toBeGreaterThanOrEqual(1)
  expect(attempts.every(({ reasons }) => reasons.length > 0)).toBe(true)
  expect(child).toBeUndefined()
})

test('a child that misses a limit makes way for another, trained from the library', async () => {
  const search = await searchOf({ target: { limits: { latency: '<= 10s' } }, improve: { attempts: 1 } })
  const { attempts, child } = valuesOf(await search.outputs('improve'))
  // 8 tokens at 0.7 tokens/s are 11.4 seconds.
  expect(attempts).toMatchObject([
    {
      action: 'another child',
      because: ['latency <= 10 seconds is not met: the actual value is 11.43 (11.43 to 11.43)'],
      reasons: [],
      tokens: 800,
    },
  ])
  expect(child!.predicted.runtime).toBeLessThanOrEqual(10)
  expect(child!.solutionDigest).toMatch(/^[0-9a-f]{64}$/)
})

test('progress counts on the attempt at work to be the last one', async () => {
  const search = await searchOf({
    target: { quality: '>= 100%' },
    accuracy: 0.999,
    improve: { attempts: 3, trainOn: '5%' },
  })
  const furthest: Record<string, number> = {}
  const [plan] = (await search.tasks('improve')) as [TaskPlan]
  await search.run('improve', plan, {
    progress: (fraction, message) => {
      const [attempt = ''] = /^attempt \d/.exec(message) ?? []
      furthest[attempt] = fraction
    },
  })
  const reached = Object.values(furthest)
  expect(reached.length).toBeGreaterThanOrEqual(1)
  for (const fraction of reached) expect(fraction).toBeGreaterThan(0.8)
})

test('an interrupted attempt goes on from its checkpoint, and ends with the same weights', async () => {
  const setup: Setup = {
    target: { quality: '>= 90%' },
    improve: { attempts: 1, trainOn: '100%' },
    accuracy: 0.01,
    tokens: 4000,
  }
  const whole = await searchOf(setup)
  const [plan] = (await whole.tasks('improve')) as [TaskPlan]
  const expected = await whole.outputs('improve')

  const search = await searchOf(setup)
  const abort = new AbortController()
  const stopped = search.run('improve', plan, {
    signal: abort.signal,
    progress: (_, message) => {
      if (message.includes('step 8')) abort.abort(new Error('stopped'))
    },
  })
  await expect(stopped).rejects.toThrow('stopped')
  const again = await search.run('improve', plan)
  expect(again.files).toEqual(expected.files)
})
