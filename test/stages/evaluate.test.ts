import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { JsonObject, TaskPlan } from '../../api/index.js'
import { examine, openYardstick, type Evaluation, type Measured } from '../../puzzle/evaluation.js'
import { Tokenizer } from '../../model/index.js'
import type { ShownTexts } from '../../puzzle/shown-texts.js'
import { readSequences } from '../../data/sequences.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import type { AnswerTask } from '../../data/task.js'
import type { ArtifactRef } from '../../store/index.js'
import type { Tensor } from '../../tensor/index.js'
import { greedy as oneByOne } from '../model/greedy.js'
import { temporaryFolder } from '../temporary-folder.js'
import { asTensors, putTensors, untrainedChild } from './children.js'
import { fakeRef, fakeSpace, giveScores } from './fakes.js'
import { compare, forward, surprise } from './reference.js'
import { Search } from './run-stage.js'
import { changeWeights, greedy, textsOf, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const scenario = { batch: 2, prefill: 4, generate: 4 }
const spec = tinySpec({ space: fakeSpace, target: { scenario } })
const search = await Search.open(world.folder, spec)
const parent = await search.parent()
const prepared = await search.outputs('prepare')
await giveScores(search, parent)
search.give('prepare', prepared)
search.give('refine', { values: { evaluations: 0 } })
search.give('solve', {})

const { fillings, model: child, ...own } = await untrainedChild(search, parent)
const inputs = { ...own.inputs, validate: prepared.files.validate!, tasks: prepared.files.tasks! }
const task = (params: JsonObject = {}, own: TaskPlan['inputs'] = inputs): TaskPlan => ({
  id: 'solution-1',
  label: '',
  params: { fillings, repetitions: 1, retime: 0, items: 5, sequences: 18, threads: 1, ...params },
  inputs: own,
})
const measured = async (plan: TaskPlan) =>
  (await search.run('evaluate', plan)).values as unknown as Evaluation<Measured>

let evaluation: Evaluation<Measured>
let texts: number[][]
beforeAll(async () => {
  evaluation = await measured(task())
  texts = textsOf(await readSequences(search.environment([]), prepared.files.validate!, 18))
})

test('the KL of a child is the mean over all tokens of whole forwards', async () => {
  const expected = await compare(parent, child, texts)
  expect(evaluation.child.kl / expected.kl).toBeCloseTo(1, 4)
  expect(evaluation.parent.kl).toBe(0)
})

test('perplexity is exp of the mean loss for the next token', async () => {
  let [sum, tokens] = [0, 0]
  for (const ids of texts)
    for (const [t, logits] of (await forward(parent, ids)).logits.slice(0, -1).entries()) {
      sum += surprise(logits, ids[t + 1]!)
      tokens++
    }
  expect(evaluation.parent.perplexity / Math.exp(sum / tokens)).toBeCloseTo(1, 5)
  expect(evaluation.child.perplexity / (await compare(parent, child, texts)).perplexity).toBeCloseTo(1, 5)
})

test('the accuracy of a task is the share of answers that greedy generation gives, of as many items as asked for', async () => {
  const tasks = await search.json<Record<string, AnswerTask>>(prepared.files.tasks)
  const models = [
    [parent, evaluation.parent],
    [child, evaluation.child],
  ] as const
  for (const [model, { tasks: found }] of models)
    for (const name of ['one', 'two']) {
      const items = tasks[name]!.items.slice(0, 5)
      const said = await greedy(
        model,
        items.map(({ prompt }) => prompt),
        2,
      )
      const right = items.filter(({ answer }, i) => answer.join() === said[i]!.join())
      expect(found[name]).toBe(right.length / 5)
    }
  // By how the items are made: every second answer of the parent's is a wrong one.
  expect(evaluation.parent.tasks).toEqual({ one: 0.6, two: 0.6 })
})

test('accuracy is the mean over tasks, and ratios are of child and parent', () => {
  const { parent: p, child: c, ratios } = evaluation
  expect(p.accuracy).toBeCloseTo((p.tasks.one! + p.tasks.two!) / 2, 12)
  expect(c.accuracy).toBeCloseTo((c.tasks.one! + c.tasks.two!) / 2, 12)
  expect(ratios.accuracy).toBeCloseTo(c.accuracy! / p.accuracy!, 12)
  expect(ratios.memory).toBe(c.memoryBytes / p.memoryBytes)
  expect(ratios.parameters).toBe(c.parameters / p.parameters)
  expect(ratios.throughput).toBeGreaterThan(0)
  expect([p, c].every(({ throughput }) => throughput.measured > 0)).toBe(true)
})

test('prefill and decoding are timed apart, and their figures are those of the passes', () => {
  const { parent: p, child: c, ratios, timing } = evaluation
  for (const side of ['parent', 'child'] as const) {
    expect(timing.prefill[side]).toHaveLength(timing[side].length)
    timing.prefill[side].forEach((seconds, i) => expect(seconds).toBeLessThan(timing[side][i]!))
  }
  const middle = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!
  // An odd number of pairs: the median is one of them.
  expect(timing.child.length % 2).toBe(0)
  const perToken = timing.child.map((seconds, i) => (seconds - timing.prefill.child[i]!) / 4)
  expect(c.tokenLatency.measured).toBeLessThanOrEqual(middle(perToken))
  for (const name of ['prefill', 'tokenLatency'] as const)
    expect(p[name].measured * ratios[name]).toBeCloseTo(c[name].measured, 12)
})

test('parameters and memory are counted from the shapes', () => {
  const [attention, ffn, norm] = [2 * 24 * 32 + 2 * 24 * 16 + 24, 3 * 24 * 40 + 24, 24]
  const whole = 2 * 50 * 24 + norm + 3 * (attention + ffn)
  // Keys and values of 2 heads of 8, 8 tokens, 2 sequences, in each layer with attention.
  const cache = 2 * 2 * 8 * 8 * 2
  expect(evaluation.parent).toMatchObject({ parameters: whole, memoryBytes: 4 * (whole + 3 * cache) })
  const less = whole - attention + (24 * 24 + 24) - ffn
  expect(evaluation.child).toMatchObject({ parameters: less, memoryBytes: 4 * (less + 2 * cache) })
})

test('quality is the same to the bit, whatever the number of threads that compute it', async () => {
  const tasks = inputs.tasks as ArtifactRef<Readonly<Record<string, AnswerTask>>>
  const qualityWith = async (threads: number) => {
    const context = { ...search.environment([]), threads }
    const yardstick = await openYardstick(context, parent, { ...inputs, tasks }, [scenario], {
      items: 5,
      sequences: 18,
    })
    return (await examine(child, yardstick)).quality
  }
  expect(await qualityWith(2)).toEqual(await qualityWith(1))
})

test('without tasks there is no accuracy', async () => {
  const none = await search.store.putJson('tasks', {})
  const { parent: p, child: c, ratios } = await measured(task({ sequences: 2 }, { ...inputs, tasks: none }))
  expect([p.accuracy, c.accuracy, ratios.accuracy]).toEqual([null, null, null])
  expect(p.tasks).toEqual({})
})

test('of a parent that answers nothing there is no share to keep', async () => {
  const items = [{ prompt: [1, 5], answer: [2, 2, 2, 2, 2] }]
  const tasks = await search.store.putJson('tasks', { hard: { chance: 0, items } })
  const { parent: p, ratios } = await measured(task({ sequences: 2 }, { ...inputs, tasks }))
  expect([p.accuracy, ratios.accuracy]).toEqual([0, null])
})

test('trained weights take the place of those in the library', async () => {
  const norm = await child.norm()
  let tensors: Record<string, Tensor> = { norm: { dtype: 'float32', dims: [24], data: norm.map((v) => 2 * v) } }
  for (let layer = 0; layer < 3; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      tensors = { ...tensors, ...asTensors(await child.weights(layer, slot), `layers.${layer}.${slot}.`) }
  const trained = await putTensors(search, tensors)
  const found = await measured(task({ sequences: 3 }, { ...inputs, child: trained }))
  const doubled = { ...child, norm: async () => norm.map((v) => 2 * v) }
  // The parent keeps its own norm before the head.
  const expected = await compare(parent, doubled, texts.slice(0, 3))
  expect(found.child.kl / expected.kl).toBeCloseTo(1, 4)
})

test('a child that is not finite is an error by name', async () => {
  const broken = await tinyWorld()
  const own = await Search.open(broken.folder, spec)
  const { files } = await own.outputs('prepare')
  await giveScores(own, parent)
  own.give('refine', { values: { evaluations: 0 } })
  own.give('solve', {})
  await changeWeights(broken.parent, (weights) => weights['layers.2.ffn.down']!.fill(3e38))
  const plan = task({ fillings: [], sequences: 2 }, { validate: files.validate!, tasks: files.tasks! })
  await expect(own.run('evaluate', plan)).rejects.toMatchObject({
    kind: 'NonFinite',
    message: expect.stringMatching(/^the parent: (kl|perplexity) is NaN$/) as string,
  })
})

test('predictions stand beside measurements, whatever was measured', async () => {
  const own = await Search.open(world.folder, spec)
  await giveScores(own, parent)
  const predicted = { throughput: 0.9, runtime: 9, memoryBytes: 1, parameters: 1 }
  const solution: Solution = { choice: [], objective: 0.1, predicted }
  own.give('refine', { values: { evaluations: 0 } })
  own.give('solve', { files: { solutions: await own.store.putJson('solutions', { solutions: [solution] }) } })
  const plan: TaskPlan = { id: 'solution-1', label: '', params: {}, inputs: { x: fakeRef('x') } }
  const outputs = { values: evaluation as unknown as JsonObject, files: {} }
  const { values } = await own.gather('evaluate', [{ plan, outputs }])
  const [found] = values.evaluations as unknown as Evaluation[]
  expect(found!.child.throughput).toEqual({ predicted: 0.9, measured: evaluation.child.throughput.measured })
  // 2 x 4 tokens in the 16 seconds of the made-up parent.
  expect(found!.parent.throughput).toEqual({ predicted: 0.5, measured: evaluation.parent.throughput.measured })
  expect(found!.ratios).toEqual(evaluation.ratios)
})

/** A search that is to measure its child. */
async function withChild(changes: JsonObject = {}, folder = world.folder): Promise<Search> {
  const own = await Search.open(folder, { ...spec, ...changes })
  await giveScores(own, parent)
  const [test, testTasks] = [fakeRef('test'), fakeRef('test tasks')]
  own.give('prepare', { files: { ...prepared.files, test, testTasks } })
  const solution = { choice: [], objective: 0.1, predicted: {} }
  const solutions = await own.store.putJson('solutions', { solutions: [solution] })
  own.give('refine', { values: { evaluations: 0 } })
  own.give('solve', { files: { solutions } })
  own.give('select', { files: { selected: await own.store.putJson('solution', solution) } })
  own.give('uptrain', { files: { child: fakeRef('child') } })
  own.give('check-child', { values: { evaluations: [evaluation as unknown as JsonObject] } })
  own.give('improve', { values: { attempts: [] } })
  return own
}

test('solutions are measured on what the search may see, the child on the test split, with items that it lost or won', async () => {
  const own = await withChild()
  const read = async (stage: string) => (await own.tasks(stage)).map(({ inputs }) => [inputs.validate, inputs.tasks])
  expect(await read('evaluate')).toEqual([[prepared.files.validate, prepared.files.tasks]])
  expect(await read('evaluate-child')).toEqual([[fakeRef('test'), fakeRef('test tasks')]])
  const listed = async (stage: string) => (await own.tasks(stage)).map(({ params }) => params.listed)
  expect([await listed('evaluate'), await listed('evaluate-child')]).toEqual([[undefined], [20]])
  // Only the key of the final evaluation has them.
  const shown = async (stage: string) => (await own.tasks(stage)).map(({ params }) => 'texts' in params)
  expect([await shown('evaluate'), await shown('evaluate-child')]).toEqual([[false], [true]])
  // Passes of the same child in earlier sessions count.
  const [final] = await own.tasks('evaluate-child')
  expect(final!.params.timed).toEqual(evaluation.timing)
})

test('parent and child are compared item by item', async () => {
  const { paired } = await measured(task({ listed: 2 }))
  for (const name of ['one', 'two']) {
    const { items, differences, outcomes } = paired![name]!
    expect(items).toBe(5)
    expect(differences.acc!.value).toBeCloseTo(evaluation.child.tasks[name]! - evaluation.parent.tasks[name]!, 12)
    const { both, neither, parentOnly, childOnly, losses, wins } = outcomes!
    expect(both + neither + parentOnly + childOnly).toBe(5)
    expect([both + parentOnly, both + childOnly]).toEqual([
      5 * evaluation.parent.tasks[name]!,
      5 * evaluation.child.tasks[name]!,
    ])
    expect([losses.length, wins.length]).toEqual([Math.min(2, parentOnly), Math.min(2, childOnly)])
    for (const { prompt, expected } of [...losses, ...wins])
      expect(`${prompt} → ${expected}`).toMatch(/^(w\d+ ){5}→ \S+ \S+$/)
  }
  expect(evaluation.paired!.one!.outcomes!.losses).toEqual([])
})

test('what parent and child write is kept for people: how both continue texts, and what they answer to items lost and won', async () => {
  const outputs = await search.run('evaluate', task({ listed: 20, texts: 3 }))
  const { continuations, tasks } = await search.json<ShownTexts>(outputs.files.texts)
  const tokenizer = Tokenizer.open(parent.folder)
  const said = (ids: readonly number[]) => tokenizer.decode(ids).trim()
  // All of the same length: half of the longest text's.
  const size = Math.floor(Math.max(...texts.map(({ length }) => length)) / 2)
  const long = texts.filter(({ length }) => length > size).slice(0, 3)
  expect(continuations.map(({ prompt }) => prompt)).toEqual(long.map((ids) => said(ids.slice(0, size))))
  expect(continuations.map(({ actual }) => actual)).toEqual(long.map((ids) => said(ids.slice(size, size + 24))))
  for (const [model, side] of [
    [parent, 'parent'],
    [child, 'child'],
  ] as const) {
    const expected = await greedy(
      model,
      long.map((ids) => ids.slice(0, size)),
      8,
    )
    for (const [i, own] of continuations.entries()) {
      const end = expected[i]!.findIndex((id) => model.config.eos.includes(id))
      expect(own[side].startsWith(said(expected[i]!.slice(0, end === -1 ? 8 : end)))).toBe(true)
    }
  }
  const { values } = outputs
  const { paired } = values as unknown as Evaluation<Measured>
  for (const [name, { losses, wins }] of Object.entries(tasks)) {
    expect(losses.map(({ item }) => item)).toEqual(paired![name]!.outcomes!.losses.slice(0, 3).map(({ item }) => item))
    for (const own of losses) expect([own.parent === own.expected, own.child === own.expected]).toEqual([true, false])
    for (const own of wins) expect([own.parent === own.expected, own.child === own.expected]).toEqual([false, true])
  }
  expect(Object.values(tasks).flatMap(({ losses, wins }) => [...losses, ...wins]).length).toBeGreaterThan(0)
  // Nothing else has changed.
  expect(withoutTimes(values)).toEqual(withoutTimes((await search.run('evaluate', task({ listed: 20 }))).values))
})

test('prompts are continued by both, beside each other and in their order, whatever else is shown', async () => {
  const prompts = [7, 3, 12, 3].map((length, i) => texts[i]!.slice(0, length))
  const outputs = await search.run('evaluate', task({ prompts }))
  const shown = await search.json<ShownTexts>(outputs.files.texts)
  const tokenizer = Tokenizer.open(parent.folder)
  const said = (ids: readonly number[]) => tokenizer.decode(ids).trim()
  expect(shown).toEqual({ prompts: expect.any(Array) as unknown, continuations: [], tasks: {} })
  expect(shown.prompts!.map(({ prompt }) => prompt)).toEqual(prompts.map(said))
  for (const [model, side] of [
    [parent, 'parent'],
    [child, 'child'],
  ] as const)
    for (const [i, all] of (await oneByOne(model, prompts, 8)).entries()) {
      const end = all.findIndex((id) => model.config.eos.includes(id))
      expect(shown.prompts![i]![side].startsWith(said(all.slice(0, end === -1 ? 8 : end)))).toBe(true)
    }
  const beside = await search.run('evaluate', task({ prompts, listed: 20, texts: 3 }))
  const both = await search.json<ShownTexts>(beside.files.texts)
  const without = await search.run('evaluate', task({ listed: 20, texts: 3 }))
  const { prompts: again, ...rest } = both
  expect(again).toEqual(shown.prompts)
  expect(rest).toEqual(await search.json<ShownTexts>(without.files.texts))
})

test('a stage that names a file of prompts continues them, and only its key has them', async () => {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  writeFileSync(join(folder, 'prompts.txt'), 'w0 w1\n\nw2 w3 w4\n')
  const planned = async (changes: JsonObject = {}) => {
    const own = await withChild(changes, folder)
    const [solution] = await own.tasks('evaluate')
    const [final] = await own.tasks('evaluate-child')
    const keys = [await own.key('evaluate', solution!), await own.key('evaluate-child', final!)]
    return { params: final!.params, keys }
  }
  const before = await planned()
  const after = await planned({ stages: { 'evaluate-child': { prompts: './prompts.txt' } } })
  expect(before.params).not.toHaveProperty('prompts')
  expect(after.params).toEqual({
    ...before.params,
    prompts: [
      [1, 4, 5],
      [1, 6, 7, 8],
    ],
  })
  expect(after.keys[0]).toBe(before.keys[0])
  expect(after.keys[1]).not.toBe(before.keys[1])
})

/** What does not depend on the clock. */
const withoutTimes = (values: JsonObject) => {
  const { parent, child, paired } = values as unknown as Evaluation<Measured>
  return [paired, ...[parent, child].map(({ kl, perplexity, tasks, metrics }) => ({ kl, perplexity, tasks, metrics }))]
}
