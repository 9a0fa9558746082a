import { expect, test } from 'vitest'
import type { CapturedFiles } from '../../puzzle/captured.js'
import type { HeldInputs } from '../../puzzle/scorer.js'
import type { ArtifactRef, Files, JsonObject, TaskPlan } from '../../api/index.js'
import { assemble, readJson, type Filling, type LibraryEntry } from '../../puzzle/library.js'
import { initialWeights } from '../../puzzle/initial-weights.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import { Scorer } from '../../puzzle/scorer.js'
import { readSequences } from '../../data/sequences.js'
import { replaceBlocks, type Model } from '../../model/index.js'
import { compare } from './reference.js'
import { Search } from './run-stage.js'
import { changeWeights, textsOf, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const spec: JsonObject = tinySpec({
  space: {
    attention: [{ block: 'grouped-query', kvHeads: [1] }, { block: 'linear' }, 'no-op'],
    ffn: [{ block: 'swiglu', width: [16] }, 'no-op'],
  },
  stages: {
    'check-limits': false,
    capture: { validateSequences: 8 },
    distill: { tokens: 500, batch: 4, coupled: [{ attention: 'linear', ffn: 'swiglu-16', layers: [1] }] },
    // Seven sequences by threes: the last chunk overlaps with the one before.
    score: { sequences: 7, batch: 3, pairs: 1 },
  },
})
const search = await Search.open(world.folder, spec)
const tasks = await search.tasks('score')
const parent = await search.parent()
const { files } = await search.outputs('capture')
const held = await readSequences(search.environment([]), files['validate-tokens']!, 7)
const texts = textsOf(held)

const rowOf = async (task: TaskPlan) => (await search.run('score', task)).values as unknown as ScoreRow
const taskOf = (id: string) => tasks.find((task) => task.id === id)!

/** The parent with the fillings of a task. */
function child({ params, inputs }: TaskPlan): Model {
  const { attention, ffn } = params as unknown as { attention: Filling; ffn: Filling }
  return assemble(parent, [attention, ffn], inputs, search.environment([]))
}

/** The sampled pair of layer 1. */
const sampled = tasks.find(({ id }) => /^layer01\/block\/(grouped-query-1|linear)\+swiglu-16$/.test(id))!

// Scores begin with states in half precision; the reference runs the whole models in float64.
test.each([
  ['attention', 'layer01/attention/grouped-query-1+parent'],
  ['a matrix', 'layer00/attention/linear+parent'],
  ['FFN', 'layer02/ffn/parent+swiglu-16'],
  ['a removed attention', 'layer01/attention/no-op+parent'],
  ['a removed FFN with attention trained beside that', 'layer01/block/grouped-query-1+no-op'],
  ['a removed layer', 'layer00/block/no-op+no-op'],
  ['a pair trained together', 'layer01/block/linear+swiglu-16'],
  ['a pair of others', sampled.id],
])('the score of %s is what whole forwards of child and parent say', async (_, id) => {
  const task = taskOf(id)
  const row = await rowOf(task)
  const expected = await compare(parent, child(task), texts)
  expect(expected.kl).toBeGreaterThan(1e-4)
  expect(Math.abs(row.kl / expected.kl - 1)).toBeLessThan(0.003)
  expect(Math.abs(row.nmse / expected.nmse - 1)).toBeLessThan(0.003)
  expect(Math.abs(row.lossDelta - expected.lossDelta)).toBeLessThan(1e-4)
  // A token or two may be so close that rounding decides.
  expect(Math.abs(row.top1 - expected.top1) * texts.flat().length).toBeLessThanOrEqual(1.001)
})

test('the parent itself scores 0 but for the rounding of states', async () => {
  for (const layer of [0, 1, 2]) {
    const { inputs } = taskOf(`layer0${layer}/ffn/parent+swiglu-16`)
    const context = {
      ...search.environment(['model']),
      task: { id: '', label: '', params: {}, inputs: inputs as Files & HeldInputs },
      threads: 1,
    }
    const scorer = await Scorer.open(context, parent, { layer, sequences: 7, batch: 3 })
    const own = parent.config.blocks[layer]!
    const filling = (slot: 'attention' | 'ffn') => ({ id: '', layer, slot, variant: 'parent', ...own[slot] })
    const { kl, tokens, error, power, loss, parentLoss, targets } = await scorer.measure(
      { attention: filling('attention'), ffn: filling('ffn') },
      { attention: await parent.weights(layer, 'attention'), ffn: await parent.weights(layer, 'ffn') },
    )
    expect(tokens).toBe(texts.flat().length)
    expect(targets).toBe(tokens - texts.length)
    expect(Math.abs(kl / tokens)).toBeLessThan(1e-7)
    expect(error / power).toBeLessThan(2 ** -20)
    expect(Math.abs(loss - parentLoss) / targets).toBeLessThan(1e-4)
  }
})

test('a trained variant is scored with its training-free weights too', async () => {
  const task = taskOf('layer01/attention/linear+parent')
  const row = await rowOf(task)
  const { attention } = task.params as unknown as { attention: Filling }
  const weights = await initialWeights(
    search.environment([]),
    parent,
    1,
    'attention',
    { ...attention, parent: false },
    { statistics: files.statistics as CapturedFiles['statistics'] },
  )
  const before = replaceBlocks(parent, [{ ...attention, weights }])
  const expected = await compare(parent, before, texts)
  expect(Math.abs(row.kl_before_distillation! / expected.kl - 1)).toBeLessThan(0.003)
  expect(row.kl).toBeLessThan(row.kl_before_distillation!)
  for (const id of ['layer01/attention/no-op+parent', 'layer01/block/linear+swiglu-16'])
    expect((await rowOf(taskOf(id))).kl_before_distillation).toBeNull()
})

test('training-free weights are not scored where that is not wanted', async () => {
  const score = { ...((spec.stages as JsonObject).score as JsonObject), beforeDistillation: false }
  const own = await Search.open(world.folder, { ...spec, stages: { ...(spec.stages as JsonObject), score } })
  own.give('capture', await search.outputs('capture'))
  const { library } = (await search.outputs('distill')).files
  const entries = await readJson(search.environment([]), library as ArtifactRef<JsonObject[]>)
  own.give('distill', { files: { library: await own.store.putJson('library', entries) } })
  const planned = await own.tasks('score')
  expect(planned.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id))
  for (const { params, inputs } of planned) {
    expect(params).toMatchObject({ before: false })
    expect(inputs).not.toHaveProperty('statistics')
  }
})

test('rows name variants and entries', async () => {
  expect(await rowOf(taskOf('layer01/block/linear+swiglu-16'))).toMatchObject({
    layer: 1,
    slot: 'block',
    attention: 'linear',
    ffn: 'swiglu-16',
    entries: { attention: 'layer01/attention/linear+swiglu-16', ffn: 'layer01/ffn/swiglu-16+linear' },
  })
})

test('a score that is not a number is an error that names what was scored', async () => {
  const broken = await tinyWorld()
  await changeWeights(broken.parent, (weights) => weights.norm!.fill(3e38))
  const own = await Search.open(broken.folder, spec, { store: search.store })
  own.give('distill', await search.outputs('distill'))
  const [task] = await own.tasks('score')
  await expect(own.run('score', task!)).rejects.toMatchObject({
    kind: 'NonFinite',
    message: 'layer 0, grouped-query-1 and parent: the score is not finite (kl NaN)',
    remedy: expect.stringMatching(/\w/) as string,
  })
})

const near = (value: number) => expect.closeTo(value, 8) as number

/** Rows as they would be, and what `gather` makes of them. */
async function gathered(rows: readonly Partial<ScoreRow>[]): Promise<JsonObject> {
  const whole = rows.map((row) => {
    const { layer = 0, attention = 'parent', ffn = 'parent' } = row
    const entries = { attention: `layer0${layer}/attention/${attention}`, ffn: `layer0${layer}/ffn/${ffn}` }
    return { layer, slot: 'block', attention, ffn, entries, ...row }
  })
  const plan = { id: '', label: '', params: {}, inputs: {} }
  const done = whole.map((values) => ({ plan, outputs: { values, files: {} } }))
  const result = await search.gather('score', done)
  expect(await search.json(result.files.scores)).toEqual(JSON.parse(JSON.stringify(whole)))
  return result.values
}

const singles = [
  { slot: 'attention', attention: 'linear', kl: 0.3 },
  { slot: 'ffn', ffn: 'swiglu-16', kl: 0.4 },
] as const

test('scores of two slots are added as the pairs that were measured say', async () => {
  const pair = { attention: 'linear', ffn: 'swiglu-16' }
  expect(await gathered([...singles, { ...pair, kl: 0.7 }])).toMatchObject({
    composition: 'sum',
    evidence: { pairs: 1, sum: near(0), rss: near(Math.log(0.7 / 0.5)) },
  })
  expect(await gathered([...singles, { ...pair, kl: 0.5 }])).toMatchObject({
    composition: 'rss',
    evidence: { pairs: 1, sum: near(Math.log(0.7 / 0.5)), rss: near(0) },
  })
})

test('pairs that were trained for each other, of other layers or without any KL say nothing of that', async () => {
  const entries = { attention: 'layer00/attention/linear+swiglu-16', ffn: 'layer00/ffn/swiglu-16+linear' }
  const pair = { attention: 'linear', ffn: 'swiglu-16', kl: 0.5 }
  const nothing = { ...pair, kl: -1e-10 }
  expect(await gathered([...singles, nothing, { ...pair, entries }, { ...pair, layer: 1 }])).toMatchObject({
    composition: 'sum',
    evidence: { pairs: 0, sum: 0, rss: 0 },
  })
})

test('variants whose KL is nothing but rounding do not spoil the evidence', async () => {
  const rows = [
    { slot: 'attention', attention: 'linear', kl: -2e-9 },
    { slot: 'ffn', ffn: 'swiglu-16', kl: 1e-9 },
    { slot: 'ffn', ffn: 'no-op', kl: 0.5 },
    { attention: 'linear', ffn: 'swiglu-16', kl: 1e-9 },
    { attention: 'linear', ffn: 'no-op', kl: 0.5 },
  ] as const
  expect(await gathered(rows)).toMatchObject({ evidence: { pairs: 1, sum: near(0), rss: near(0) } })
})

test('the evidence of a real search is finite', async () => {
  const { values, files } = await search.outputs('score')
  const { pairs, sum, rss } = values.evidence as { pairs: number; sum: number; rss: number }
  // One sampled pair in each layer, and the removal of both slots.
  expect(pairs).toBe(6)
  expect([sum, rss].every(Number.isFinite)).toBe(true)
  expect(values.rows).toBe((await search.json<LibraryEntry[]>(files.scores)).length)
  expect(values.rows).toBe(tasks.length)
})
