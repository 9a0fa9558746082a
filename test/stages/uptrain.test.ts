import { expect, test } from 'vitest'
import type { JsonObject, Outputs, TaskPlan } from '../../api/index.js'
import { readChild } from '../../puzzle/child.js'
import { readSequences } from '../../data/sequences.js'
import type { CurvePoint } from '../../puzzle/train-with-checkpoints.js'
import { readTensors } from '../../tensor/index.js'
import { untrainedChild } from './children.js'
import { fakeSpace } from './fakes.js'
import { compare, divergence, forward } from './reference.js'
import { Search } from './run-stage.js'
import { textsOf, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()

async function open(): Promise<Search> {
  const own = await Search.open(world.folder, tinySpec({ space: fakeSpace }))
  for (const name of ['select', 'distill']) own.give(name, {})
  return own
}
const search = await open()
const parent = await search.parent()
const { fillings, inputs, model: child, library, choice } = await untrainedChild(search, parent)
const { files } = await search.outputs('prepare')
const train = await readSequences(search.environment([]), files.train!)
const texts = textsOf(train)

/** Tokens of all training text, without padding. */
const tokens = texts.flat().length

/** All training text is one batch of `steps` steps. */
const task = (steps: number, params: JsonObject = {}): TaskPlan => ({
  id: 'child',
  label: '',
  params: {
    tokens: steps * tokens,
    batch: train.count,
    learningRate: 0.01,
    weightDecay: 0.01,
    fillings,
    ...params,
  },
  inputs: { ...inputs, train: files.train! },
})
const curveOf = async ({ files }: Outputs) => search.json<CurvePoint[]>(files.curve)

test('the loss is the mean over tokens of 1 - cos summed over layers, plus the mean KL', async () => {
  const outputs = await search.run('uptrain', task(1))
  let [cosine, kl] = [0, 0]
  for (const ids of texts) {
    const [p, c] = [await forward(parent, ids), await forward(child, ids)]
    for (let t = 0; t < ids.length; t++) {
      kl += divergence(p.logits[t]!, c.logits[t]!)
      for (const layer of [2, 4, 6]) {
        const [a, b] = [p.states[layer]![t]!, c.states[layer]![t]!]
        const dot = (x: readonly number[], y: readonly number[]) => x.reduce((n, v, i) => n + v * y[i]!, 0)
        cosine += 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
      }
    }
  }
  // There is padding, and it counts for nothing.
  expect(tokens).toBeLessThan(train.count * train.length)
  const [first] = (await curveOf(outputs)) as [CurvePoint]
  expect(first.cosine! / (cosine / tokens)).toBeCloseTo(1, 5)
  expect(first.kl! / (kl / tokens)).toBeCloseTo(1, 4)
  expect(first.loss / ((cosine + kl) / tokens)).toBeCloseTo(1, 5)
  expect(outputs.values).toMatchObject({ steps: 1, tokens })
})

/** Mean over the tokens that have a next one of what the child makes of it. */
async function nextTokenLoss(): Promise<number> {
  let [sum, count] = [0, 0]
  for (const ids of texts) {
    const { logits } = await forward(child, ids)
    for (let t = 0; t + 1 < ids.length; t++, count++) {
      const row = logits[t]!
      const most = Math.max(...row)
      sum += most + Math.log(row.reduce((n, v) => n + Math.exp(v - most), 0)) - row[ids[t + 1]!]!
    }
  }
  return sum / count
}

test.each([
  [['lm'], ['lm']],
  [['kl'], ['kl']],
  [['cosine'], ['cosine']],
  [
    ['kl', 'lm', 'cosine'],
    ['cosine', 'kl', 'lm'],
  ],
])('the loss is the sum of the terms that are asked for: %j', async (losses, terms) => {
  const outputs = await search.run('uptrain', task(1, { losses }))
  const [first] = (await curveOf(outputs)) as [CurvePoint]
  const sum = terms.reduce((n, name) => n + first[name]!, 0)
  expect(first.loss / sum).toBeCloseTo(1, 5)
  if (losses.includes('lm')) expect(first.lm! / (await nextTokenLoss())).toBeCloseTo(1, 5)
  expect(outputs.values).toMatchObject({ losses })
})

test('each term alone trains what it measures', async () => {
  for (const loss of ['lm', 'kl', 'cosine']) {
    const curve = await curveOf(await search.run('uptrain', task(24, { losses: [loss] })))
    expect(curve.at(-1)![loss]).toBeLessThan(0.9 * curve[0]![loss]!)
  }
})

test('the usual terms are not a reason to train again, in whatever order', async () => {
  const planned = async (uptrain: JsonObject) => {
    const own = await Search.open(world.folder, tinySpec({ space: fakeSpace, stages: { uptrain } }))
    own.give('prepare', { files })
    own.give('distill', { files: { library: await own.store.putJson('library', library) } })
    const solution = { choice, objective: 1, predicted: {} }
    own.give('select', { files: { selected: await own.store.putJson('solution', solution) } })
    return (await own.tasks('uptrain'))[0]!.params
  }
  const usual = await planned({})
  expect(usual).not.toHaveProperty('losses')
  expect(await planned({ losses: ['kl', 'cosine'] })).toEqual(usual)
  expect(await planned({ losses: ['lm', 'kl'] })).toEqual({ ...usual, losses: ['kl', 'lm'] })
  expect(await planned({ klTokens: '100%' })).toEqual(usual)
  expect(await planned({ klTokens: '25%' })).toEqual({ ...usual, klTokens: 0.25 })
})

test('where predictions are compared at a quarter of the tokens, the child learns from all steps’ samples', async () => {
  const outputs = await search.run('uptrain', task(24, { klTokens: 0.25 }))
  expect(outputs.values).toMatchObject({ klTokens: 0.25 })
  const curve = await curveOf(outputs)
  const whole = await curveOf(trained)
  // A sample of the same tokens, from the same start.
  expect(curve[0]!.kl! / whole[0]!.kl!).toBeGreaterThan(0.7)
  expect(curve[0]!.kl! / whole[0]!.kl!).toBeLessThan(1.4)
  expect(curve[0]!.kl).not.toBe(whole[0]!.kl)
  const model = await readChild(child, await search.store.path(outputs.files.child!))
  const some = texts.slice(0, 6)
  expect((await compare(parent, model, some)).kl).toBeLessThan(0.6 * (await compare(parent, child, some)).kl)
})

test('layer by layer, the child comes to what it comes to as a whole, and says how it was trained', async () => {
  const outputs = await search.run('uptrain', task(24, { layerwise: true }))
  expect(outputs.values).toMatchObject({ steps: 24, layerwise: true })
  expect(trained.values).not.toHaveProperty('layerwise')
  const [layers, whole] = [await curveOf(outputs), await curveOf(trained)]
  for (const [i, { step, loss }] of whole.entries()) {
    expect(layers[i]!.step).toBe(step)
    expect(layers[i]!.loss / loss).toBeCloseTo(1, 4)
  }
})

const trained = await search.run('uptrain', task(24))

test('a few steps bring the child nearer to the parent', async () => {
  const curve = await curveOf(trained)
  expect(curve.map(({ step }) => step)).toEqual([8, 16, 24])
  expect(curve[2]!.kl).toBeLessThan(0.7 * curve[0]!.kl!)
  expect(curve[2]!.cosine).toBeLessThan(0.7 * curve[0]!.cosine!)
  const model = await readChild(child, await search.store.path(trained.files.child!))
  const some = texts.slice(0, 6)
  expect((await compare(parent, model, some)).kl).toBeLessThan(0.5 * (await compare(parent, child, some)).kl)
})

test('the child’s blocks and last norm are trained; embedding and head stay the parent’s', async () => {
  const { tensors } = await readTensors(await search.store.path(trained.files.child!))
  const own = Object.keys(tensors)
  expect(own).toContain('norm')
  expect(own).not.toContain('embedding')
  expect(own).not.toContain('head')
  expect(own.filter((name) => name.startsWith('layers.0.attention'))).toEqual([
    'layers.0.attention.weight',
    'layers.0.attention.norm',
  ])
  expect(own.filter((name) => name.startsWith('layers.1.ffn'))).toEqual([])
  const model = await readChild(child, await search.store.path(trained.files.child!))
  expect(await model.embedding()).toEqual(await parent.embedding())
  expect(await model.head()).toEqual(await parent.head())
  expect(await model.norm()).not.toEqual(await parent.norm())
  // Slots that are the parent's own learn as well.
  expect(await model.weights(2, 'ffn')).not.toEqual(await parent.weights(2, 'ffn'))
})

test('an uptraining that is aborted and goes on has the same bits as an undisturbed one', async () => {
  const other = await open()
  await other.outputs('prepare')
  await untrainedChild(other, parent)
  const abort = new AbortController()
  const progress = (fraction: number) => fraction > 0.6 && abort.abort(new Error('The task was cancelled'))
  await expect(other.run('uptrain', task(24), { signal: abort.signal, progress })).rejects.toThrow(
    'The task was cancelled',
  )
  const fractions: number[] = []
  expect(await other.run('uptrain', task(24), { progress: (fraction) => fractions.push(fraction) })).toEqual(trained)
  expect(fractions).toEqual([1])
})

test('numbers that are not finite end it by name', async () => {
  await expect(search.run('uptrain', task(8, { learningRate: 1e30 }))).rejects.toMatchObject({
    kind: 'NonFinite',
    message: expect.stringMatching(/^uptrain: The (loss|gradient) of step \d is/) as string,
  })
})

test('what is planned is one task that depends on the chosen blocks alone', async () => {
  const own = await open()
  own.give('prepare', { files })
  own.give('distill', { files: { library: await own.store.putJson('library', library) } })
  const solution = { choice, objective: 1, predicted: {} }
  own.give('select', { files: { selected: await own.store.putJson('solution', solution) } })
  const [only, ...others] = await own.tasks('uptrain')
  expect(others).toEqual([])
  const ids = (only!.params.fillings as { id: string }[]).map(({ id }) => id)
  expect(ids).toEqual(choice.flatMap(({ attention, ffn }) => [attention, ffn]))
  expect(only!.inputs).toEqual({ ...inputs, train: files.train })
})
