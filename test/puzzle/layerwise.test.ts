import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Sequences } from '../../data/sequences.js'
import { replaceBlocks, type Model } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { usualBounds, type Bounds } from '../../puzzle/layerwise/bounds.js'
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

/** Largest difference of weights, relative to the largest that training has changed. */
function farthest(actual: Readonly<Record<string, Tensor>>, expected: Readonly<Record<string, Tensor>>): number {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
  return Math.max(
    ...Object.entries(expected).map(([name, { dims, data }]) => {
      expect(actual[name]!.dims).toEqual(dims)
      const own = actual[name]!.data as Float32Array
      return (data as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0)
    }),
  )
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
    expect(layers.curve.map(({ step }) => step)).toEqual([8, 10])
    let worst = 0
    for (const [i, point] of whole.curve.entries())
      for (const [name, value] of Object.entries(point))
        worst = Math.max(worst, Math.abs(layers.curve[i]![name]! - value) / (1e-3 + Math.abs(value)))
    console.log(_, worst, farthest(layers.weights, whole.weights))
  }
})
void existsSync
void readdirSync
void readFileSync
void writeFileSync
void curveSoFar
