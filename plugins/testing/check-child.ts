import { join } from 'node:path'
import {
  allWeights,
  Decoder,
  modelShapes,
  openModel,
  replaceBlocks,
  stateShapes,
  writeModel,
  type Model,
} from '../../model/index.js'
import { elements } from '../../tensor/index.js'
import type { Weights } from '../../api/index.js'
import { differingBits, distance, noise } from './noise.js'
import type { Measure } from './report.js'
import { initialWeights, trained, type Subject } from './subject.js'
import { layer, vocabulary } from './tiny-parent.js'

const batch = 2

/** Creates a child: the tiny parent with the variant in its slot. */
export async function makeChild(subject: Subject): Promise<Model> {
  const { type, params, parent } = subject
  const choice = { layer, slot: type.slot, block: type.name, params }
  if (type.empty) return replaceBlocks(parent.model, [{ ...choice, weights: {} }])
  const { norms } = await parent.weights(type.slot)
  const blockWeights = Object.entries(trained(await initialWeights(subject))).map(
    ([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }] as const,
  )
  const weights: Weights = { ...norms, ...Object.fromEntries(blockWeights) }
  return replaceBlocks(parent.model, [{ ...choice, weights }])
}

const idsOf = (length: number): Int32Array =>
  Int32Array.from(noise(batch * length, 11), (value) => Math.floor(((value + 1) / 2) * vocabulary))

/** The tokens from..to-1 of each sequence. */
function part(ids: Int32Array, from: number, to: number): Int32Array {
  const length = ids.length / batch
  return Int32Array.from({ length: batch * (to - from) }, (_, i) => {
    const [b, t] = [Math.floor(i / (to - from)), i % (to - from)]
    return ids[b * length + from + t]!
  })
}

async function withDecoder<T>(model: Model, use: (decoder: Decoder) => Promise<T>): Promise<T> {
  const decoder = await Decoder.create(model, { batch, logits: true })
  try {
    return await use(decoder)
  } finally {
    await decoder.release()
  }
}

/**
 * Checks the decoder that serves and measures models: a prompt and then single tokens, beyond its initial capacity. Also compares
 * its memory with the declared shapes and states.
 */
export async function checkDecoder(child: Model): Promise<{ decoder: Measure[]; costs: Measure[] }> {
  const [prompt, total] = [5, 40]
  const ids = idsOf(total)
  return withDecoder(child, async (decoder) => {
    const expected = (await decoder.prefill(ids)).logits!
    let logits = (await decoder.prefill(part(ids, 0, prompt))).logits!
    for (let t = prompt; t < total; t++) logits = (await decoder.step(part(ids, t, t + 1))).logits!
    const { bytes, capacity } = decoder.stateSize
    const state = stateShapes(child).reduce((sum, { shape }) => {
      const rows = { 'per-sequence': 1, 'per-token': capacity, window: 'window' in shape ? shape.window : 0 }
      return sum + 4 * batch * elements(shape.shape) * Math.min(rows[shape.kind], capacity)
    }, 0)
    const parameters = Object.values(modelShapes(child.config, child.blocks)).reduce((n, s) => n + elements(s), 0)
    const held = Object.values(await allWeights(child)).reduce((n, { length }) => n + length, 0)
    const what = `logits after decoding ${prompt} + ${total - prompt} tokens compared with ${total} at once`
    return {
      decoder: [{ what, figure: distance(logits, expected), allowed: 1e-3 }],
      costs: [
        {
          what: `the decoder's state takes the declared ${state} bytes`,
          figure: Math.abs(bytes - state),
          allowed: 0,
        },
        {
          what: `the model has the declared ${parameters} weights`,
          figure: Math.abs(held - parameters),
          allowed: 0,
        },
      ],
    }
  })
}

/** Saves and reopens the model: weights and predictions must not change. */
export async function checkCheckpoint(child: Model, folder: string): Promise<Measure[]> {
  const path = join(folder, 'child')
  await writeModel(child, path, { dtype: 'float32' })
  const opened = await openModel(path, child.blocks)
  const [before, after] = [await allWeights(child), await allWeights(opened)]
  const bits = Object.keys({ ...before, ...after }).reduce(
    (n, name) => n + differingBits(before[name] ?? new Float32Array(0), after[name] ?? new Float32Array(0)),
    0,
  )
  const ids = idsOf(9)
  const logits = (model: Model) => withDecoder(model, async (decoder) => (await decoder.prefill(ids)).logits!)
  return [
    { what: 'weights from the reopened checkpoint are bit-identical', figure: bits, allowed: 0 },
    {
      what: 'logits from the reopened checkpoint are bit-identical',
      figure: differingBits(await logits(child), await logits(opened)),
      allowed: 0,
    },
  ]
}
