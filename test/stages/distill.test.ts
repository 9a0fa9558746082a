import { join } from 'node:path'
import type { CapturedFiles } from '../../puzzle/captured.js'
import { describe, expect, test } from 'vitest'
import { openModel } from '../../model/index.js'
import type { JsonObject, Outputs, TaskPlan, Weights } from '../../api/index.js'
import { learner, type Lesson } from '../../puzzle/lesson.js'
import { initialWeights } from '../../puzzle/initial-weights.js'
import { fillingWeights, type LibraryEntry } from '../../puzzle/library.js'
import { HiddenStates } from '../../puzzle/hidden-states.js'
import { readSequences } from '../../data/sequences.js'
import { readTensors, writeTensors } from '../../tensor/index.js'
import { blocks } from '../model/tiny.js'
import { noise } from '../noise.js'
import { slotOutput, type Rows } from './reference.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const space: JsonObject = {
  attention: [{ block: 'grouped-query', kvHeads: [1] }, { block: 'linear' }, 'no-op'],
  ffn: [{ block: 'swiglu', width: [16] }, 'no-op'],
}
const params = { tokens: 3000, batch: 4, coupled: [{ attention: 'linear', ffn: 'swiglu-16', layers: [1] }] }
const spec = (distill: JsonObject = {}): JsonObject =>
  tinySpec({
    space,
    stages: { capture: { validateSequences: 18, batch: 5 }, distill: { ...params, ...distill }, 'check-limits': false },
  })
const search = await Search.open(world.folder, spec())
const parent = await search.parent()

/** A lesson of each kind, at the layer in the middle. */
const kinds: [kind: string, task: string][] = [
  ['attention beside the parent’s FFN', 'layer01/attention/grouped-query-1'],
  ['a matrix beside the parent’s FFN', 'layer01/attention/linear'],
  ['FFN behind the parent’s attention', 'layer01/ffn/swiglu-16'],
  ['attention beside a removed FFN', 'layer01/attention/linear+no-op'],
  ['the parent’s attention beside a removed FFN', 'layer01/attention/parent+no-op'],
  ['FFN beside a removed attention', 'layer01/ffn/swiglu-16+no-op'],
  ['a pair', 'layer01/attention/linear+swiglu-16 + layer01/ffn/swiglu-16+linear'],
]
const taskOf = async (id: string, own = search): Promise<TaskPlan> =>
  (await own.tasks('distill')).find((task) => task.id === id)!
const lessonOf = ({ params }: TaskPlan) => params as unknown as Lesson

/** Weights that a lesson starts from, by slot. */
async function initialOf(task: TaskPlan): Promise<Record<string, Weights>> {
  const { layer, train } = lessonOf(task)
  const entries = train.map(async ({ slot, variant, block, params }) => {
    const own = { block, params, parent: variant === 'parent' }
    return [
      slot,
      await initialWeights(search.environment([]), parent, layer, slot, own, {
        statistics: task.inputs.statistics as CapturedFiles['statistics'],
      }),
    ] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** Weights that a lesson left, by slot. */
async function trainedOf(task: TaskPlan, { files }: Outputs): Promise<Record<string, Weights>> {
  const { layer, train } = lessonOf(task)
  const entries = train.map(async ({ slot, entry: id, variant, block, params }) => {
    const filling = { id, layer, slot, variant, block, params }
    return [slot, await fillingWeights(filling, files, parent, search.environment([]))] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** What a lesson's slots make of one sequence, in float64. */
async function output(task: TaskPlan, weights: Readonly<Record<string, Weights>>, x: Rows): Promise<Rows> {
  const { layer, train, beside } = lessonOf(task)
  for (const slot of ['attention', 'ffn'] as const) {
    const pupil = train.find((own) => own.slot === slot)
    if (pupil) x = slotOutput(parent, slot, pupil, weights[slot]!, x)
    else if (beside === 'parent' && slot === 'ffn')
      x = slotOutput(parent, slot, parent.config.blocks[layer]!.ffn, await parent.weights(layer, slot), x)
  }
  return x
}

/** sum (y - t)^2 / sum t^2 over real tokens. */
async function nmse(
  task: TaskPlan,
  weights: Readonly<Record<string, Weights>>,
  sequences: readonly { readonly x: Rows; readonly target: Rows; readonly real: readonly boolean[] }[],
): Promise<number> {
  let [error, power] = [0, 0]
  for (const { x, target, real } of sequences)
    for (const [t, row] of (await output(task, weights, x)).entries()) {
      if (!real[t]) continue
      error += row.reduce((n, v, i) => n + (v - target[t]![i]!) ** 2, 0)
      power += target[t]!.reduce((n, v) => n + v ** 2, 0)
    }
  return error / power
}

const rows = (data: Float32Array): Rows =>
  Array.from({ length: data.length / 24 }, (_, t) => Array.from(data.subarray(t * 24, (t + 1) * 24)))

/** The held-out sequences of a lesson as they were captured. */
async function heldOut({ inputs }: TaskPlan) {
  const states = async (name: string) => HiddenStates.read(await search.store.path(inputs[name]!))
  const [x, target] = [await states('validateInput'), await states('validateTarget')]
  const { count, length, mask } = await readSequences(search.environment([]), inputs.validateTokens!)
  return Array.from({ length: count }, (_, i) => ({
    x: rows(x.rows(i * length, length)),
    target: rows(target.rows(i * length, length)),
    real: Array.from(mask.subarray(i * length, (i + 1) * length), (m) => m === 1),
  }))
}

describe.each(kinds)('%s', (_, id) => {
  test('has the loss sum (child - parent)^2 / sum parent^2 over real tokens', async () => {
    const task = await taskOf(id)
    const initial = await initialOf(task)
    const [batch, length] = [3, 5]
    const random = noise(9)
    const numbers = () => Float32Array.from({ length: batch * length * 24 }, random)
    const [x, target] = [numbers(), numbers()]
    const mask = Float32Array.from({ length: batch * length }, (_, i) => (i % length < 2 + (i % 3) ? 1 : 0))
    const trainer = await learner(parent, { ...lessonOf(task), batch }, initial, length, 1)
    const states = (data: Float32Array) => ({ dtype: 'float32' as const, dims: [1, batch * length, 24], data })
    const { losses } = await trainer.run({
      x: states(x),
      target: states(target),
      mask: { dtype: 'float32', dims: [1, batch * length], data: mask },
    })
    await trainer.release()
    const sequences = Array.from({ length: batch }, (_, i) => ({
      x: rows(x).slice(i * length, (i + 1) * length),
      target: rows(target).slice(i * length, (i + 1) * length),
      real: Array.from(mask.subarray(i * length, (i + 1) * length), (m) => m === 1),
    }))
    expect(losses[0]! / (await nmse(task, initial, sequences))).toBeCloseTo(1, 5)
  })

  test('gets better on held-out text, by as much as it says', async () => {
    const task = await taskOf(id)
    const outputs = await search.run('distill', task)
    const entries = outputs.values.entries as unknown as LibraryEntry[]
    expect(entries.map((entry) => entry.id)).toEqual(lessonOf(task).train.map(({ entry }) => entry))
    const [before, after] = [await initialOf(task), await trainedOf(task, outputs)]
    const sequences = await heldOut(task)
    for (const { nmseBefore, nmseAfter } of entries) {
      expect(nmseAfter).toBeLessThan(0.95 * nmseBefore)
      expect(nmseBefore / (await nmse(task, before, sequences))).toBeCloseTo(1, 4)
      expect(nmseAfter / (await nmse(task, after, sequences))).toBeCloseTo(1, 4)
    }
  })
})

test('the parent’s blocks are not changed by what learns beside them', async () => {
  const fresh = await openModel(world.parent, blocks)
  for (let layer = 0; layer < 3; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      expect(await parent.weights(layer, slot)).toEqual(await fresh.weights(layer, slot))
})

test('a pair leaves two entries, each named after the other', async () => {
  const { values } = await search.run('distill', await taskOf(kinds.at(-1)![1]))
  const entries = values.entries as unknown as LibraryEntry[]
  expect(entries.map(({ slot, variant, beside }) => [slot, variant, beside])).toEqual([
    ['attention', 'linear', 'swiglu-16'],
    ['ffn', 'swiglu-16', 'linear'],
  ])
})

test('a lesson that is aborted and goes on in another process has the same bits as an undisturbed one', async () => {
  const task = await taskOf('layer01/attention/linear')
  const undisturbed = await search.run('distill', task)
  const other = await Search.open(world.folder, spec())
  await other.outputs('capture')
  const abort = new AbortController()
  const progress = (fraction: number) => fraction > 0.4 && abort.abort(new Error('The task was cancelled'))
  await expect(other.run('distill', task, { signal: abort.signal, progress })).rejects.toThrow('The task was cancelled')
  const fractions: number[] = []
  const resumed = await other.run('distill', task, { progress: (fraction) => fractions.push(fraction) })
  expect(fractions[0]).toBeGreaterThan(0.5)
  expect(resumed).toEqual(undisturbed)
})

test('numbers that are not finite name the variant', async () => {
  // More than a spec may say.
  const task = await taskOf('layer01/ffn/swiglu-16')
  const hot = { ...task, params: { ...task.params, learningRate: 1e30 } }
  await expect(search.run('distill', hot)).rejects.toMatchObject({
    kind: 'NonFinite',
    message: expect.stringMatching(/^layer01\/ffn\/swiglu-16: The (loss|gradient) of step \d+ is/) as string,
    remedy: expect.stringMatching(/learning rate/) as string,
  })
})

test('states that are not finite name the variant', async () => {
  const task = await taskOf('layer01/ffn/swiglu-16')
  const { tensors } = await readTensors(await search.store.path(task.inputs.target!))
  const path = join(temporaryFolder(), 'states')
  const scale = new Float32Array(tensors.scale!.data.length).fill(NaN)
  await writeTensors(path, { ...tensors, scale: { ...tensors.scale!, data: scale } })
  const target = await search.store.putFile('hidden-states', path)
  await expect(search.run('distill', { ...task, inputs: { ...task.inputs, target } })).rejects.toMatchObject({
    kind: 'NonFinite',
    message: 'layer01/ffn/swiglu-16: The loss of step 0 is NaN',
  })
})

test('the library has what was trained and what needs no training, by id', async () => {
  const few = await Search.open(world.folder, spec({ tokens: 50, coupled: [], besideNoOp: 'none' }), {
    store: search.store,
  })
  const library = await few.json<LibraryEntry[]>((await few.outputs('distill')).files.library)
  const layer = (n: number) => [
    `layer0${n}/attention/grouped-query-1`,
    `layer0${n}/attention/linear`,
    `layer0${n}/attention/no-op`,
    `layer0${n}/attention/parent`,
    `layer0${n}/ffn/no-op`,
    `layer0${n}/ffn/parent`,
    `layer0${n}/ffn/swiglu-16`,
  ]
  expect(library.map(({ id }) => id)).toEqual([0, 1, 2].flatMap(layer))
  const count = (id: string) => library.find((entry) => entry.id === id)!.parameters
  // Norm, Q and O of 4 heads of 8, K and V of one head.
  expect(count('layer00/attention/grouped-query-1')).toBe(24 + 2 * 24 * 32 + 2 * 24 * 8)
  expect(count('layer00/attention/linear')).toBe(24 + 24 * 24)
  expect(count('layer00/attention/parent')).toBe(24 + 2 * 24 * 32 + 2 * 24 * 16)
  expect(count('layer00/ffn/parent')).toBe(24 + 3 * 24 * 40)
  expect(count('layer00/ffn/swiglu-16')).toBe(24 + 3 * 24 * 16)
  expect(count('layer00/ffn/no-op')).toBe(0)
  expect(library.filter(({ weights }) => weights === null).map(({ variant }) => variant)).toEqual(
    [0, 1, 2].flatMap(() => ['no-op', 'parent', 'no-op', 'parent']),
  )
})

describe('without training', () => {
  const untrained = async (training: string) =>
    Search.open(world.folder, spec({ training, tokens: 100000 }), { store: search.store })

  test('none leaves the training-free weights, without a curve', async () => {
    const own = await untrained('none')
    for (const [, id] of kinds) {
      const task = await taskOf(id, own)
      const outputs = await own.run('distill', task)
      expect(await trainedOf(task, outputs)).toEqual(await initialOf(task))
      expect(await search.json(outputs.files.curve)).toEqual([])
      for (const { nmseBefore, nmseAfter } of outputs.values.entries as unknown as LibraryEntry[])
        expect(nmseAfter).toBe(nmseBefore)
    }
  })

  test.each(kinds)('closed form: %s gets better by its last matrix alone, by as much as it says', async (_, id) => {
    const task = await taskOf(id, await untrained('closed-form'))
    const outputs = await search.run('distill', task)
    const [before, after] = [await initialOf(task), await trainedOf(task, outputs)]
    const sequences = await heldOut(task)
    for (const { nmseBefore, nmseAfter } of outputs.values.entries as unknown as LibraryEntry[]) {
      expect(nmseAfter).toBeLessThan(nmseBefore)
      expect(nmseAfter / (await nmse(task, after, sequences))).toBeCloseTo(1, 4)
    }
    for (const { slot, block } of lessonOf(task).train)
      for (const name of Object.keys(before[slot]!)) {
        const isLast = name === blocks.get(slot, block).lastMatrix
        expect(after[slot]![name]!.data.every((value, i) => value === before[slot]![name]!.data[i])).toBe(!isLast)
      }
  })

  test('closed form: weights that are integers in memory are solved for first and rounded then', async () => {
    const int8 = (training: string) => ({
      ...spec({ training, tokens: 100000, coupled: [], besideNoOp: 'none' }),
      space: { attention: ['parent'], ffn: [{ block: 'swiglu', width: [16], weights: ['float32', 'int8'] }] },
    })
    const own = await Search.open(world.folder, int8('closed-form'), { store: search.store })
    const errorOf = async (id: string) => {
      const { values } = await own.run('distill', await taskOf(id, own))
      return (values.entries as unknown as LibraryEntry[])[0]!
    }
    const [exact, rounded] = [await errorOf('layer01/ffn/swiglu-16'), await errorOf('layer01/ffn/swiglu-16-int8')]
    expect(rounded.nmseAfter).toBeLessThan(rounded.nmseBefore)
    expect(Math.abs(rounded.nmseAfter / exact.nmseAfter - 1)).toBeLessThan(0.02)
  })

  test('closed form: a matrix in the place of a block is the best one on the text that it was solved on', async () => {
    const own = await untrained('closed-form')
    const task = await taskOf('layer01/attention/linear+no-op', own)
    const solved = await trainedOf(task, await own.run('distill', task))
    const states = async (name: string) => HiddenStates.read(await search.store.path(task.inputs[name]!))
    const [x, target] = [await states('input'), await states('target')]
    const { count, length, mask } = await readSequences(search.environment([]), task.inputs.tokens!)
    expect(lessonOf(task).solveOn).toBe(count)
    const text = Array.from({ length: count }, (_, i) => ({
      x: rows(x.rows(i * length, length)),
      target: rows(target.rows(i * length, length)),
      real: Array.from(mask.subarray(i * length, (i + 1) * length), (m) => m === 1),
    }))
    const best = await nmse(task, solved, text)
    const { weight, ...others } = solved.attention!
    for (const i of [0, 100, 300, 575])
      for (const step of [-0.05, 0.05]) {
        const data = weight!.data.slice()
        data[i]! += step
        const moved = { attention: { ...others, weight: { ...weight!, data } } }
        expect(await nmse(task, moved, text)).toBeGreaterThan(best)
      }
  })
})
