import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Sequences } from '../../data/sequences.js'
import { replaceBlocks, type Model } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { isLayerwise, usualBounds, type Bounds } from '../../puzzle/layerwise/bounds.js'
import { uptrainLayerwise } from '../../puzzle/layerwise/uptrain-layerwise.js'
import { curveSoFar } from '../../puzzle/train-with-checkpoints.js'
import type { UptrainParams } from '../../puzzle/uptrain-params.js'
import { uptrainWhole } from '../../puzzle/uptrain-whole.js'
import { UptrainingPlan, type Uptraining } from '../../puzzle/uptraining-plan.js'
import { readTensors, type Tensor } from '../../tensor/index.js'
import { openMixed } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'

const [count, length] = [7, 9]
/** Sequences of different lengths, one of them without a next token to predict. */
const text: Sequences = {
  count,
  length,
  ids: someIds(count * length),
  mask: Float32Array.from({ length: count * length }, (_, i) =>
    i % length <= (Math.floor(i / length) * 3) % length ? 1 : 0,
  ),
}
const steps = 10
const usual: UptrainParams & { seed: number } = {
  ...{ tokens: 0, batch: 5, learningRate: 0.01, weightDecay: 0.05, seed: 3 },
}
/** Nothing fits: single sequences go through slots, and everything is in files. */
const tight: Bounds = { pass: 1, spool: 1, headRows: 4 }

interface Models {
  readonly parent: Model
  readonly child: Model
  readonly skipped?: ReadonlySet<number>
}

function training({ parent, child, skipped = new Set() }: Models, params: Partial<UptrainParams> = {}): Uptraining {
  const all = { ...usual, ...params }
  const perStep = (text.mask.reduce((n, own) => n + own, 0) * all.batch) / count
  const plan = new UptrainingPlan(text, { ...all, tokens: steps * perStep })
  return { parent, child, skipped, params: all, plan }
}

interface Attempt {
  readonly bounds?: Bounds
  readonly checkpoint?: string
  readonly signal?: AbortSignal
  readonly progress?: (fraction: number, message: string) => void
}

async function train(kind: typeof uptrainLayerwise, own: Uptraining, { bounds, ...attempt }: Attempt = {}) {
  const folder = scratch()
  const path = join(folder, 'child')
  const context = {
    ...{ threads: 1, scratch: folder, checkpoint: join(folder, 'checkpoint') },
    ...{ signal: new AbortController().signal, progress: () => undefined },
    ...attempt,
  }
  const curve = await kind(own, context, path, bounds)
  return { curve, weights: (await readTensors(path)).tensors, context }
}

/** Largest difference of weights of the same names and shapes. */
function farthest(actual: Readonly<Record<string, Tensor>>, expected: Readonly<Record<string, Tensor>>): number {
  const shapes = (of: typeof actual) => Object.entries(of).map(([name, { dims }]) => [name, dims])
  expect(shapes(actual)).toEqual(shapes(expected))
  return Object.entries(expected).reduce((most, [name, { data }]) => {
    const own = actual[name]!.data as Float32Array
    return (data as Float32Array).reduce((n, value, i) => Math.max(n, Math.abs(value - own[i]!)), most)
  }, 0)
}

const gemma: JsonObject = {
  ...{ architectures: null, model_type: 'gemma3_text', num_hidden_layers: 2, tie_word_embeddings: true },
  ...{ sliding_window: 3, sliding_window_pattern: 2, query_pre_attn_scalar: 9, final_logit_softcapping: 3 },
}

/** Integers in memory in all slots of the first layers. */
const integers = (model: Model): Model =>
  replaceBlocks(
    model,
    [0, 1].flatMap((layer) =>
      (['attention', 'ffn'] as const).map((slot) => {
        const { block, params } = model.config.blocks[layer]![slot]
        const weights = () => model.weights(layer, slot)
        return { layer, slot, block, params: { ...params, weights: slot === 'ffn' ? 'int4' : 'int8' }, weights }
      }),
    ),
  )

const openParent = () => openTiny({ num_hidden_layers: 4 })
// Folders of models last as long as a test.
const mixed = async (): Promise<Models> => ({ parent: await openParent(), child: await openMixed() })

const cases: readonly (readonly [string, () => Promise<Models>, Partial<UptrainParams>])[] = [
  ['grouped-query, linear, narrow and empty blocks', mixed, {}],
  ['predictions at a third of the tokens', mixed, { klTokens: 0.34 }],
  ['all terms of the loss', mixed, { losses: ['cosine', 'kl', 'lm'] }],
  ['the cosine alone', mixed, { losses: ['cosine'] }],
  ['the text alone', mixed, { losses: ['lm'] }],
  ['a last norm that stays', mixed, { freezeNorm: true }],
  ['a run of layers', async () => ({ ...(await mixed()), skipped: new Set([1, 2]) }), {}],
  [
    'weights of 8 and 4 bits',
    async () => {
      const parent = await openParent()
      return { parent, child: integers(parent) }
    },
    {},
  ],
  [
    'a tied head, a softcap and norms behind blocks',
    async () => ({ parent: await openTiny(gemma), child: await openTiny(gemma, 2) }),
    {},
  ],
]

test.each(cases)('layer by layer, a child learns what it learns as a whole: %s', async (_, models, params) => {
  const own = training(await models(), params)
  expect(own.plan.steps).toBe(steps)
  const whole = await train(uptrainWhole, own)
  for (const bounds of [usualBounds, tight]) {
    const layers = await train(uptrainLayerwise, own, { bounds })
    const relative = whole.curve.flatMap((point, i) =>
      Object.entries(point).map(([name, value]) => Math.abs(layers.curve[i]![name]! / value - 1)),
    )
    expect(layers.curve.map((point) => Object.keys(point).sort())).toEqual(
      whole.curve.map((point) => Object.keys(point).sort()),
    )
    expect(Math.max(...relative)).toBeLessThan(1e-5)
    // Ten steps of up to 0.01. AdamW divides gradients by their own size, so the rounding of those near 0 shows: 8e-5 was seen.
    expect(farthest(layers.weights, whole.weights)).toBeLessThan(3e-4)
  }
})

test('what a step holds in memory does not change a bit of what is learned if it is in files', async () => {
  const own = training(await mixed())
  const inMemory = await train(uptrainLayerwise, own)
  const inFiles = await train(uptrainLayerwise, own, { bounds: { ...usualBounds, spool: 1 } })
  expect(inFiles.curve).toEqual(inMemory.curve)
  expect(inFiles.weights).toEqual(inMemory.weights)
})

test('the parent’s states have the same bits whether they are kept or computed again', async () => {
  const models = await mixed()
  const computed = await train(uptrainLayerwise, training(models))
  let reads = 0
  const parent: Model = { ...models.parent, weights: (...at) => (reads++, models.parent.weights(...at)) }
  const kept = await train(uptrainLayerwise, training({ ...models, parent }, { keepParentStates: true }))
  expect(kept.curve).toEqual(computed.curve)
  expect(kept.weights).toEqual(computed.weights)
  // Seven sequences, five a step: the first two steps see all of them.
  expect(reads).toBe(2 * 2 * models.parent.config.layers)
})

const aborting = (until: number) => {
  const abort = new AbortController()
  const progress = (fraction: number) => fraction >= until && abort.abort(new Error('The task was cancelled'))
  return { signal: abort.signal, progress }
}

/** A training that was aborted within its fifth step: its checkpoint, and the names of the files there. */
async function aborted(own: Uptraining) {
  const checkpoint = join(scratch(), 'checkpoint')
  await expect(train(uptrainLayerwise, own, { checkpoint, ...aborting(0.45) })).rejects.toThrow(
    'The task was cancelled',
  )
  const states = join(checkpoint, 'trainer.states')
  return { checkpoint, states, names: readdirSync(states) }
}

test('a training that is aborted within a step goes on with that step, and ends with the same bits and curve', async () => {
  const own = training(await mixed())
  const undisturbed = await train(uptrainLayerwise, own)
  const { checkpoint, names } = await aborted(own)
  expect(names.every((name) => name.endsWith('.4'))).toBe(true)
  const done: number[] = []
  const progress = (fraction: number) => void done.push(fraction)
  const resumed = await train(uptrainLayerwise, own, { checkpoint, progress })
  expect(done[0]).toBe(0.4)
  expect(resumed.curve).toEqual(undisturbed.curve)
  expect(resumed.weights).toEqual(undisturbed.weights)
  expect(await curveSoFar(checkpoint)).toEqual(undisturbed.curve)
})

test('what was written of a step that did not end is none of its weights', async () => {
  const own = training(await mixed())
  const undisturbed = await train(uptrainLayerwise, own)
  const { checkpoint, states, names } = await aborted(own)
  // As if it had been killed while it wrote the fifth step's weights: one file whole, one in part.
  const [whole, part] = names as [string, string]
  writeFileSync(join(states, whole.replace(/4$/, '5')), readFileSync(join(states, part)))
  writeFileSync(join(states, part.replace(/4$/, '5.tmp')), 'half')
  const resumed = await train(uptrainLayerwise, own, { checkpoint })
  expect(resumed.weights).toEqual(undisturbed.weights)
  expect(readdirSync(states).sort()).toEqual(names.map((name) => name.replace(/4$/, '10')).sort())
})

const damages: [string, (states: string, file: string, checkpoint: string) => void][] = [
  ['lacks a file', (_, file) => rmSync(file)],
  ['has a file cut short', (_, file) => writeFileSync(file, readFileSync(file).subarray(0, -4))],
  [
    'has a bit flipped',
    (_, file) => {
      const bytes = readFileSync(file)
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(file, bytes)
    },
  ],
  ['is something else', (_, __, checkpoint) => writeFileSync(join(checkpoint, 'trainer.safetensors'), 'no tensors')],
]
test.each(damages)('a checkpoint that %s is none: the training starts again', async (_, damage) => {
  const own = training(await mixed())
  const undisturbed = await train(uptrainLayerwise, own)
  const { checkpoint, states, names } = await aborted(own)
  damage(states, join(states, names[2]!), checkpoint)
  const done: number[] = []
  const progress = (fraction: number) => void done.push(fraction)
  const again = await train(uptrainLayerwise, own, { checkpoint, progress })
  expect(done[0]).toBe(0)
  expect(again.weights).toEqual(undisturbed.weights)
})

test('the checkpoint of one way of training is none of the other’s', async () => {
  const own = training(await mixed())
  const { checkpoint } = await aborted(own)
  const whole = await train(uptrainWhole, own, { checkpoint })
  expect(whole.weights).toEqual((await train(uptrainWhole, own)).weights)
})

test('numbers that are not finite end it by name', async () => {
  const own = training(await mixed(), { learningRate: 1e30 })
  await expect(train(uptrainLayerwise, own)).rejects.toMatchObject({
    kind: 'NonFinite',
    message: expect.stringMatching(/^uptrain: The (loss|gradient) of step \d is/) as string,
  })
})

test('large parents are trained against layer by layer, unless the spec says otherwise', async () => {
  const small = await openParent()
  const large = { ...small, config: { ...small.config, vocabulary: 2 ** 24 } }
  expect(isLayerwise(small, {})).toBe(false)
  expect(isLayerwise(large, {})).toBe(true)
  expect(isLayerwise(small, { layerwise: true })).toBe(true)
  expect(isLayerwise(large, { layerwise: false })).toBe(false)
})
