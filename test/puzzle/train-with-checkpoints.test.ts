import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { trainWithCheckpoints, type CurvePoint } from '../../puzzle/train-with-checkpoints.js'
import { readTensors, Trainer, writeTensors, type Tensor } from '../../tensor/index.js'
import { scratch } from '../model/tiny.js'

/** Four numbers learn to be like their targets, which differ from step to step. */
const trainer = (size = 4, learningRate = 0.1) =>
  Trainer.create({
    parameters: { w: { shape: [size], data: new Float32Array(size).fill(0.5) } },
    batch: { target: { dtype: 'float32', shape: [size] } },
    loss: (g, { parameters, batch }) => {
      const loss = g.sum(g.square(g.sub(parameters.w!, batch.target!)))
      return { loss, metrics: { twice: g.add(loss, loss) } }
    },
    optimiser: { learningRate, totalSteps: 20 },
    stepsPerCall: 4,
  })

interface Options {
  readonly size?: number
  readonly learningRate?: number
  /** Fraction at which the training is aborted. */
  readonly until?: number
  /** Targets that are not finite, from this step on. */
  readonly badFrom?: number
}

/** Trains 20 steps in a checkpoint folder. */
async function train(checkpoint: string, { size, learningRate, until, badFrom = 99 }: Options = {}) {
  const abort = new AbortController()
  const own = await trainer(size, learningRate)
  const starts: number[] = []
  const curve = await trainWithCheckpoints({
    trainer: own,
    steps: 20,
    stepsPerPoint: 4,
    pointsPerCheckpoint: 2,
    checkpoint,
    what: 'layer00/ffn/swiglu-16',
    signal: abort.signal,
    progress: (fraction) => {
      if (fraction === until) abort.abort(new Error('The task was cancelled'))
    },
    batches(start, count) {
      starts.push(start)
      const data = Float32Array.from({ length: count * (size ?? 4) }, (_, i) => Math.sin(start * (size ?? 4) + i))
      if (start + count > badFrom) data[(badFrom - start) * (size ?? 4)] = NaN
      return { target: { dtype: 'float32', dims: [count, size ?? 4], data } }
    },
  })
  return { curve, starts, weights: own.parameters().w! }
}

const undisturbed = await train(scratch())
const file = (folder: string) => join(folder, 'trainer.safetensors')
/** A folder with the checkpoint of a training that was aborted after 12 of 20 steps. */
async function aborted(): Promise<string> {
  const folder = scratch()
  await expect(train(folder, { until: 0.6 })).rejects.toThrow('The task was cancelled')
  return folder
}

test('a training that is aborted goes on where it stopped, and ends with the same bits and curve', async () => {
  const { starts, ...outcome } = await train(await aborted())
  expect(starts).toEqual([12, 16])
  expect(outcome).toEqual({ curve: undisturbed.curve, weights: undisturbed.weights })
  expect(undisturbed.starts).toEqual([0, 4, 8, 12, 16])
})

test('the curve has means of the steps since the point before, metrics too', () => {
  const [first] = undisturbed.curve as [CurvePoint]
  expect(undisturbed.curve.map(({ step }) => step)).toEqual([4, 8, 12, 16, 20])
  expect(first.twice).toBeCloseTo(2 * first.loss, 6)
})

test('a training that is killed goes on from the last regular checkpoint', async () => {
  const folder = scratch()
  // As if it were killed: an error at step 13 leaves the checkpoint of step 8 alone.
  await expect(train(folder, { badFrom: 13 })).rejects.toThrow()
  const { starts, weights } = await train(folder)
  expect(starts).toEqual([8, 12, 16])
  expect(weights).toEqual(undisturbed.weights)
})

test('a checkpoint folder that another attempt has removed is made again', async () => {
  const folder = scratch()
  rmSync(folder, { recursive: true })
  expect((await train(folder)).curve).toEqual(undisturbed.curve)
  expect(existsSync(file(folder))).toBe(true)
})

const damages: [string, (path: string) => void | Promise<void>][] = [
  ['is cut short', (path) => writeFileSync(path, readFileSync(path).subarray(0, -7))],
  ['is empty', (path) => writeFileSync(path, '')],
  ['is something else', (path) => writeFileSync(path, 'not tensors at all, but long enough for a header')],
  [
    'has a byte flipped',
    (path) => {
      const bytes = readFileSync(path)
      bytes[bytes.length - 2]! ^= 1
      writeFileSync(path, bytes)
    },
  ],
  ['has no step', async (path) => writeTensors(path, (await readTensors(path)).tensors, { curve: '[]' })],
  ['has no curve', async (path) => writeTensors(path, (await readTensors(path)).tensors, { step: '12' })],
  [
    'is of another training',
    async (path) => {
      const { metadata } = await readTensors(path)
      const state: Tensor = { dtype: 'float32', dims: [5], data: new Float32Array(5) }
      await writeTensors(path, { 'p:w': state, 'm:w': state, 'v:w': state }, metadata)
    },
  ],
]
test.each(damages)('a checkpoint that %s is none: the training starts again', async (_, damage) => {
  const folder = await aborted()
  await damage(file(folder))
  const { starts, weights, curve } = await train(folder)
  expect(starts).toEqual(undisturbed.starts)
  expect(weights).toEqual(undisturbed.weights)
  expect(curve).toEqual(undisturbed.curve)
})

test('a number that is not finite ends the training with the name of what was trained', async () => {
  await expect(train(scratch(), { badFrom: 6 })).rejects.toMatchObject({
    kind: 'NonFinite',
    message: 'layer00/ffn/swiglu-16: The loss of step 6 is NaN',
    remedy: expect.stringMatching(/learning rate/) as string,
  })
})

test('weights that are not finite after the last step are refused too, though no loss saw them', async () => {
  const own = await trainer(1, 1e39)
  const run = trainWithCheckpoints({
    trainer: own,
    steps: 1,
    checkpoint: scratch(),
    what: 'layer00/ffn/linear',
    signal: new AbortController().signal,
    progress: () => undefined,
    batches: () => ({ target: { dtype: 'float32', dims: [1, 1], data: Float32Array.of(3) } }),
  })
  await expect(run).rejects.toMatchObject({
    kind: 'NonFinite',
    message: 'layer00/ffn/linear: The weights w are not finite after step 1',
  })
})
