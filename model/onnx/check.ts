import type { BlockType, Slot, Weights } from '../../api/index.js'
import { withWeights } from '../../api/weights.js'
import { Session, type Tensor } from '../../tensor/index.js'
import { encodeModel } from '../../tensor/onnx.js'
import { modelShapes, slotShapes } from '../build.js'
import type { Model } from '../model.js'
import { layerFacts, type ModelConfig } from '../config.js'
import { Decoder } from '../decoder.js'
import { stateShapes } from '../state.js'
import { assemble } from './assemble.js'
import { refusal } from './trace.js'
import { weightReader } from './weights.js'

/** Lengths of the chunks in which the tokens are read: one chunk that is longer than the traces, and several with a past. */
const readings = [[300], [7, 1, 1, 40]] as const

/** Largest accepted difference, relative to the largest logit. Another order of computation causes a thousandth of it. */
const tolerance = 1e-3

const vocabulary = 8

/**
 * Compares each kind of block that has state, alone and with random weights, with the decoder. Traces are short and have a
 * past, so the export would be wrong for a block type that treats long chunks differently, or for which having no state is
 * not equivalent to a state of zeros.
 * @throws Failure InvalidInput naming the block type
 */
export async function checkStates(model: Model): Promise<void> {
  const seen = new Set<string>()
  for (const { layer, slot } of stateShapes(model)) {
    const { block, params } = model.config.blocks[layer]![slot]
    const key = JSON.stringify([slot, block, params, { ...layerFacts(model.config, layer), layer: 0 }])
    if (seen.has(key)) continue
    seen.add(key)
    const probe = alone(model, layer, slot)
    for (const lengths of readings) {
      const difference = await differenceOf(probe, lengths)
      if (difference <= tolerance) continue
      throw refusal(
        model.folder,
        `${slot} block type "${block}" gives different results in one graph for all lengths: for chunks of ${lengths.join(' + ')} tokens, logits differ by ${difference.toPrecision(2)} of the largest`,
        'Make its forward do the same for every length and treat a state of zeros like no state; or export without that block type.',
      )
    }
  }
}

const none: BlockType = {
  name: '(none)',
  slot: 'attention',
  version: 1,
  parameters: {},
  variants: () => [],
  id: () => 'none',
  shapes: () => ({}),
  initialise: () => ({}),
  forward: () => {
    throw new Error('Internal error: an empty block has no forward')
  },
  empty: true,
}

/** The same with a head in floats. */
const withoutHead = ({ headWeights: _, ...config }: ModelConfig): ModelConfig => config

/** A model that has only this block, in floats, and a small vocabulary. */
function alone(model: Model, layer: number, slot: Slot): Model {
  const { config, blocks } = model
  const { block, params } = config.blocks[layer]![slot]
  const nothing = { block: none.name, params: {} }
  const layerBlocks = { attention: nothing, ffn: nothing, [slot]: { block, params: withWeights(params, 'float32') } }
  const random = noise()
  const numbers = (size: number, scale: number) => Float32Array.from({ length: size }, () => scale * random())
  const embedding = numbers(vocabulary * config.hidden, 1)
  const known = {
    ...blocks,
    get: (of: Slot, name: string) => (name === none.name ? none : blocks.get(of, name)),
    has: (of: Slot, name: string) => name === none.name || blocks.has(of, name),
  }
  const probe = {
    ...withoutHead(config),
    vocabulary,
    tied: true,
    blocks: config.blocks.map((_, i) => (i === layer ? layerBlocks : { attention: nothing, ffn: nothing })),
  }
  const weights = (of: Slot): Weights =>
    Object.fromEntries(
      Object.entries(slotShapes(probe, layer, of, known)).map(([name, shape]) => {
        const size = shape.reduce((n, d) => n * d, 1)
        const [centre, scale] = shape.length === 1 ? [1 - config.normOffset, 0] : [0, 2 / Math.sqrt(shape.at(-2)!)]
        return [name, { shape, data: numbers(size, scale).map((x) => x + centre) }]
      }),
    )
  const made = { attention: weights('attention'), ffn: weights('ffn') }
  return {
    folder: model.folder,
    config: probe,
    blocks: known,
    embedding: async () => embedding,
    head: async () => embedding,
    norm: async () => new Float32Array(config.hidden).fill(1 - config.normOffset),
    weights: async (at, of) => (at === layer ? made[of] : {}),
  }
}

/** Largest difference of the last logits, relative to the largest of them; NaN if a logit is NaN. */
async function differenceOf(probe: Model, lengths: readonly number[]): Promise<number> {
  const total = lengths.reduce((n, length) => n + length, 0)
  const ids = Int32Array.from({ length: total }, (_, i) => (i * i * 7 + i) % vocabulary)
  const decoder = await Decoder.create(probe, { batch: 1, logits: true })
  const expected = (await decoder.prefill(ids)).logits!
  await decoder.release()
  const actual = (await logitsOfGraph(probe, ids, lengths)).subarray(-vocabulary)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return expected.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[i]!)), 0) / size
}

async function logitsOfGraph(probe: Model, ids: Int32Array, lengths: readonly number[]): Promise<Float32Array> {
  const { graph, floats, states } = assemble(probe, false)
  const read = weightReader(probe)
  const shapes = Object.entries(modelShapes(probe.config, probe.blocks)).filter(([name]) => floats.has(name))
  const initializers = await Promise.all(
    shapes.map(async ([name, shape]) => ({
      name,
      shape,
      dtype: 'float32' as const,
      data: await read(name),
    })),
  )
  const session = await Session.create(
    encodeModel({ ...graph, initializers: [...graph.initializers, ...initializers] }),
  )
  try {
    let state: Record<string, Tensor> = Object.fromEntries(
      states.map(({ input }) => {
        const dims = input.shape.map((d) => (d === 'batch_size' ? 1 : typeof d === 'number' ? d : 0))
        return [input.name, { dtype: 'float32', dims, data: new Float32Array(dims.reduce((n, d) => n * d, 1)) }]
      }),
    )
    let logits = new Float32Array(0)
    let at = 0
    for (const length of lengths) {
      const chunk = BigInt64Array.from(ids.subarray(at, (at += length)), BigInt)
      const out = await session.run({
        ...state,
        input_ids: { dtype: 'int64', dims: [1, length], data: chunk },
        attention_mask: { dtype: 'int64', dims: [1, at], data: new BigInt64Array(at).fill(1n) },
      })
      state = Object.fromEntries(states.map(({ input, output }) => [input.name, out[output.name]!]))
      logits = out.logits!.data as Float32Array<ArrayBuffer>
    }
    return logits
  } finally {
    await session.release()
  }
}

/** Returns a generator of numbers between -1 and 1, which are the same each time. */
function noise(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
}
