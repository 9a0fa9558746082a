import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import type { Evaluation, Predicted } from '../../puzzle/evaluation.js'
import { markdown, type Result } from '../../report/markdown.js'
import { readSchema } from '../../schemas/read.js'
import { digestBytes } from '../../store/digest.js'
import { FileStore } from '../../store/index.js'
import { costTable, fakeRef, passes, timesAt } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const store = new FileStore(temporaryFolder())

interface Child {
  /** Tokens/s; of every second pass, if there are two. */
  readonly throughput?: number | readonly [number, number]
  readonly accuracy?: number | null
  /** Share of the parent's memory and parameters. */
  readonly size?: number
}
/** An evaluation of a parent with 100 tokens/s and accuracy 0.8. */
function evaluation({ throughput = 200, accuracy = 0.79, size = 0.5 }: Child = {}): Evaluation {
  const of = (measured: number, accuracy: number | null, share: number, kl: number): Predicted => ({
    throughput: { predicted: measured * 1.1, measured },
    ...timesAt(costTable.scenario, { predicted: measured * 1.1, measured }),
    accuracy,
    tasks: accuracy === null ? {} : { one: accuracy },
    perplexity: 3 + kl,
    kl,
    memoryBytes: 1000 * share,
    parameters: 400 * share,
  })
  const noTasks = accuracy === null
  const speed = typeof throughput === 'number' ? throughput : (throughput[0] + throughput[1]) / 2
  return {
    parent: of(100, noTasks ? null : 0.8, 1, 0),
    child: of(speed, accuracy, size, 0.05),
    ratios: {
      ...{ throughput: speed / 100, prefill: 100 / speed, tokenLatency: 100 / speed },
      ...{ accuracy: noTasks ? null : accuracy / 0.8, memory: size, parameters: size },
    },
    timing: passes(costTable.scenario, { parent: 100, child: throughput }),
  }
}

interface Setup {
  readonly limits?: JsonObject
  readonly quality?: string | JsonObject
  /** The selected child. */
  readonly selected?: Child
  /** The uptrained one, if it was uptrained. */
  readonly uptrained?: Child
  readonly leftOut?: readonly string[]
  /** What `select` tells of runs of layers. */
  readonly chosen?: JsonObject
  /** Layers that `depth` removed. */
  readonly removed?: readonly number[]
  /** What `improve` leaves. */
  readonly improved?: JsonObject
}

async function report({
  limits = {},
  quality,
  selected,
  uptrained,
  leftOut = [],
  chosen = {},
  removed = [],
  improved = { attempts: [] },
}: Setup) {
  const target = { scenario: { ...costTable.scenario }, limits, ...(quality === undefined ? {} : { quality }) }
  const gone = uptrained ? leftOut : [...leftOut, 'uptrain', 'evaluate-child']
  const stages = Object.fromEntries(gone.map((name) => [name, false]))
  const search = await Search.open(world.folder, tinySpec({ target, stages }), { store })
  const evaluations = (child: Child | undefined) => ({ evaluations: [evaluation(child)] as unknown as JsonObject[] })
  const proof = { objective: 0.04, bound: 0.04, gap: 0, seconds: 0.5 }
  const solution = {
    choice: [],
    objective: 0.04,
    predicted: { throughput: 1, runtime: 1, memoryBytes: 1, parameters: 1 },
  }
  const outcome = {
    status: 'optimal',
    composition: 'sum',
    solutions: [solution],
    proofs: [proof],
    secondOpinion: { verdict: 'none', note: '' },
    baselines: { greedy: { objective: 0.09, feasible: true }, homogeneous: { objective: null, feasible: false } },
  }
  for (const name of ['prepare', 'profile', 'distill']) search.give(name, {})
  const evidence = removed.map((_, i) => ({ removed: i + 1, measured: 0.1 * (i + 1) ** 2, additive: 0.1 * (i + 1) }))
  search.give('depth', { values: { removed, evidence } })
  search.give('improve', { values: improved })
  search.give('score', { values: { evidence: { pairs: 2, sum: 0.1, rss: 0.3 } } })
  search.give('refine', { values: { evaluations: 0 } })
  search.give('solve', { files: { solutions: await store.putJson('solutions', outcome) } })
  search.give('evaluate', { values: evaluations(selected) })
  search.give('select', {
    values: {
      solutionDigest: digestBytes('solution'),
      objective: 0.04,
      evaluation: evaluation(selected) as unknown as JsonObject,
      layers: [
        { attention: 'parent', ffn: 'swiglu-16' },
        { attention: 'no-op', ffn: 'parent' },
      ],
      ...chosen,
    },
  })
  if (uptrained) {
    search.give('uptrain', {})
    search.give('evaluate-child', { values: evaluations(uptrained) })
  }
  if (!leftOut.includes('export')) search.give('export', { files: { 'config.json': fakeRef('config') } })
  const { values, files } = await search.outputs('report')
  const result = await search.json<Result & JsonObject>(files.result)
  return { values, result, text: await readFile(await store.path(files['report.md']!), 'utf8') }
}

const runs = [{ layer: 0, span: 2, run: 'drop-2' }]

test('the result is what its schema says', async () => {
  const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, strictTypes: false }).compile(
    readSchema('result'),
  )
  const setups: Setup[] = [
    { limits: { throughput: '>= 1.7x' }, quality: '>= 97%', uptrained: {} },
    { selected: { accuracy: null }, leftOut: ['export'] },
    { chosen: { runs, addedUp: runs }, removed: [1, 0] },
  ]
  for (const setup of setups) {
    const { result } = await report(setup)
    // The command adds what it alone knows.
    validate({ run: 'tiny', specDigest: digestBytes('spec'), ...result })
    expect(validate.errors).toBeNull()
    expect(validate(result)).toBe(false)
  }
})

test('a child that holds its limits and the quality floor is accepted', async () => {
  const times = { latency: '<= 50%', prefill: '<= 50%', tokenLatency: '<= 8 ms' }
  const limits = { throughput: '>= 1.7x', memory: '<= 60%', parameters: '<= 200', ...times }
  const { values, result } = await report({ limits, quality: '>= 97%', uptrained: {} })
  expect(values).toEqual({
    verdict: 'accepted',
    reasons: [],
    solutionDigest: digestBytes('solution'),
    outcome: { ok: true, status: 'accepted', text: 'A child was found.' },
  })
  expect(result).toMatchObject({
    verdict: 'accepted',
    quality: { held: true, value: 0.79 / 0.8, wanted: 0.97 },
    limits: Array(6).fill({ held: true }) as unknown,
  })
})

test('a limit that is not held makes the child unacceptable, by as much as was measured', async () => {
  const times = { latency: '<= 50%', prefill: '<= 12 ms', tokenLatency: '<= 0.6x' }
  const limits = { throughput: '>= 1.7x', ...times, memory: '<= 40%' }
  const { values, result } = await report({ limits, quality: '>= 99%', uptrained: { throughput: 160 } })
  expect(values).toMatchObject({
    verdict: 'no acceptable child',
    reasons: [
      'throughput >= 1.7x of the parent is not met: the actual value is 1.6 (1.6 to 1.6)',
      'latency <= 0.5x of the parent is not met: the actual value is 0.625 (0.625 to 0.625)',
      // 8 tokens at 160 tokens/s: a quarter of 50 ms.
      'prefill <= 0.012 seconds is not met: the actual value is 0.0125 (0.0125 to 0.0125)',
      'tokenLatency <= 0.6x of the parent is not met: the actual value is 0.625 (0.625 to 0.625)',
      'memory <= 0.4x of the parent is not met: the actual value is 0.5',
      'quality 0.9875 is below 0.99',
    ],
  })
  expect(result.wouldTake).toEqual([
    'throughput >= 1.6x of the parent',
    'latency <= 0.625x of the parent',
    'prefill <= 0.0125 seconds',
    'tokenLatency <= 0.625x of the parent',
    'memory <= 0.5x of the parent',
    'quality >= 98.7 %',
  ])
})

test('limits are judged by the last measurement, not by that of the child before uptraining', async () => {
  const limits = { throughput: '>= 150 tokens/s', latency: '<= 1s' }
  const good = await report({ limits, selected: { throughput: 100 }, uptrained: { throughput: 200 } })
  expect(good.values.verdict).toBe('accepted')
  const bad = await report({
    limits: { latency: '<= 0.05s' },
    selected: { throughput: 200 },
    uptrained: { throughput: 100 },
  })
  expect(bad.values.reasons).toEqual(['latency <= 0.05 seconds is not met: the actual value is 0.08 (0.08 to 0.08)'])
  const without = await report({ limits, selected: { throughput: 200 } })
  expect(without.values.verdict).toBe('accepted')
})

test('a child below the quality floor is not acceptable', async () => {
  const { values, result } = await report({ quality: '>= 97%', uptrained: { accuracy: 0.7 } })
  expect(values).toMatchObject({
    verdict: 'no acceptable child',
    reasons: ['quality 0.875 is below 0.97'],
    outcome: { ok: false, status: 'no child', text: 'No acceptable child: quality 0.875 is below 0.97.' },
  })
  expect(result.quality).toEqual({ held: false, value: 0.7 / 0.8, wanted: 0.97 })
})

test('bounds on perplexity and KL are judged as measured, and told in the form of the spec', async () => {
  const quality = { perplexity: '<= 1.5x', kl: '<= 0.01 nats' }
  const { values, result } = await report({ quality, uptrained: { accuracy: null } })
  expect(values).toMatchObject({
    verdict: 'no acceptable child',
    reasons: ['KL 0.05 is above 0.01 nats per token'],
  })
  expect(result.quality).toEqual({
    perplexity: { held: true, value: 6.1 / 6, wanted: 1.5 },
    kl: { held: false, value: 0.05, wanted: 0.01 },
  })
  expect(result.wouldTake).toEqual(['KL <= 0.05 nats'])
})

test('a quality floor that nothing was measured for is not held', async () => {
  const { values, result } = await report({ quality: '>= 97%', uptrained: { accuracy: null } })
  expect(values).toMatchObject({
    verdict: 'no acceptable child',
    reasons: ["quality >= 0.97 of the parent cannot be checked: there are no tasks, or the parent's accuracy is 0"],
  })
  expect(result.quality).toEqual({ held: false, value: null, wanted: 0.97 })
})

test('the result has parent and child as measured last, and the child before uptraining', async () => {
  const { result } = await report({ selected: { accuracy: 0.7 }, uptrained: { accuracy: 0.79 } })
  expect(result.child).toEqual({
    ...evaluation({}).child,
    layers: [
      { attention: 'parent', ffn: 'swiglu-16' },
      { attention: 'no-op', ffn: 'parent' },
    ],
  })
  expect(result.parent).toEqual(evaluation({}).parent)
  expect(result.ratios).toEqual(evaluation({}).ratios)
  expect(result.beforeUptraining).toMatchObject({ accuracy: 0.7 })
  expect((await report({ selected: {} })).result.beforeUptraining).toBeUndefined()
  expect(result.exports).toEqual({ hf: { 'config.json': { digest: digestBytes('config'), bytes: 6 } } })
  expect((await report({ leftOut: ['export'] })).result.exports).toEqual({})
})

test('a limit that the estimate meets, but not the whole interval, is not held', async () => {
  const { values } = await report({ limits: { throughput: '>= 1.7x' }, uptrained: { throughput: [169, 190] } })
  expect(values.reasons).toEqual([
    'throughput >= 1.7x of the parent is not shown to be met: the value is 1.795 (1.69 to 1.9)',
  ])
})

test('the child that `improve` leaves takes the place of the first one', async () => {
  const layers = [
    { attention: 'no-op', ffn: 'parent' },
    { attention: 'parent', ffn: 'parent' },
  ]
  const attempt = {
    action: 'another child',
    because: ['quality 0.875 is below 0.97'],
    reasons: [],
    tokens: 100,
    kl: 0.05,
    throughput: 2,
    accuracy: 0.9875,
  }
  const child = { solutionDigest: digestBytes('another'), objective: 0.06, layers, evaluation: { ...evaluation() } }
  const { values, result } = await report({
    quality: '>= 97%',
    uptrained: {},
    improved: { attempts: [attempt], child: child as unknown as JsonObject },
  })
  expect(values).toMatchObject({ verdict: 'accepted', solutionDigest: digestBytes('another') })
  expect(result).toMatchObject({ child: { layers, accuracy: 0.79 }, predictedKl: 0.06, attempts: [attempt] })
  expect(result).not.toHaveProperty('beforeUptraining')
})

test('the page of Markdown is of the same result', async () => {
  const { result, text } = await report({ limits: { memory: '<= 40%' }, uptrained: {} })
  expect(text).toBe(markdown(result))
})

test('runs, removals that were added up and the order of `depth` are in the result and on the page', async () => {
  const { result, text } = await report({ chosen: { runs, addedUp: runs }, removed: [1, 0], uptrained: {} })
  expect(result).toMatchObject({
    child: { runs },
    addedUpRemovals: runs,
    predictedKl: 0.04,
    depth: { removed: [1, 0], evidence: [{ measured: 0.1 }, { measured: 0.4, additive: 0.2 }] },
  })
  expect(text).toContain('| 1 | no-op | parent | drop-2, layers 0 to 1 |')
  expect(text).toContain('the predicted KL of this child is 0.04, the measured KL 0.05 before uptraining')
  expect(text).toContain('| 1, 0 | 0.4 | 0.2 |')
  const plain = await report({})
  for (const key of ['addedUpRemovals', 'depth']) expect(plain.result).not.toHaveProperty(key)
  expect(plain.result.child).not.toHaveProperty('runs')
})
