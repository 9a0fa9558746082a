import { Failure, slots, type Slot } from '../../api/index.js'
import type { GraphRecord } from '../../tensor/onnx.js'
import { Graph, quantisationBlock, type TypedArray, type Value } from '../../tensor/index.js'
import { buildLayer, embedded, finalNorm, logitsOf, modelShapes, weightName } from '../build.js'
import type { Model } from '../model.js'
import { quantisationOf } from '../quantisation.js'
import { quantisedEnd } from '../quantised-head.js'
import { pastShape } from '../block-graph.js'
import { stateShapes } from '../state.js'

/** The weight, or part of one, that a constant stands for. */
export interface WeightPart {
  /** Name as in `modelShapes`. */
  readonly weight: string
  readonly part: 'levels' | 'scales'
}

/** A model's graph for one batch and length, with a past. */
export interface Trace {
  readonly batch: number
  readonly length: number
  /** The graph. Its inputs are the float weights, by name, and those that `buildTrace` lists. */
  readonly record: GraphRecord
  /** Constants that stand for weights, by their data. */
  readonly parts: ReadonlyMap<TypedArray, WeightPart>
  /** Layers whose state treats padding as text. */
  readonly blindToPadding: readonly number[]
}

/**
 * Builds the graph of a chunk that follows a past.
 *
 * Inputs besides the weights: `ids` int64 [batch * length], `cos.I` and `sin.I` [length, headDim] of rotary embedding I, `mask`
 * [capacity], `mask.windowN` [length, windowN], `padding.own` [batch, length], `padding.past` [batch, capacity],
 * `padding.windowN` [batch, windowN], and `past.NAME`.
 *
 * Outputs: `rows`, logits [batch * length, vocabulary], and `new.NAME`.
 */
export function buildTrace(model: Model, batch: number, length: number, integers: boolean): Trace {
  const { config, blocks } = model
  const g = new Graph()
  const parts = new Map<TypedArray, WeightPart>()
  const weights: Record<string, Value> = {}
  const quantised = integers ? quantisedNames(model) : new Map<string, 4 | 8>()
  const end = quantisedEnd(config)?.name
  for (const [name, shape] of Object.entries(modelShapes(config, blocks))) {
    const bits = quantised.get(name)
    const [rows, columns] = shape as readonly [number, number]
    // Matrices of blocks are [in, out], the head is [out, in].
    const lying = name === end ? ([columns, rows] as const) : ([rows, columns] as const)
    weights[name] =
      bits === undefined ? g.input(name, 'float32', shape) : g.quantised(placeholder(name, lying, bits, parts))
  }
  const ids = g.input('ids', 'int64', [batch * length])
  const table = (name: string) => g.input(name, 'float32', [length, config.headDim])
  const rotaries = config.rotaries.map((_, i) => ({ cos: table(`cos.${i}`), sin: table(`sin.${i}`) }))
  const mask = g.input('mask', 'float32', ['capacity'])
  const ownPadding = g.input('padding.own', 'float32', [batch, length])
  const earlier = g.input('padding.past', 'float32', [batch, 'capacity'])

  const states = stateShapes(model)
  const past: Record<string, Value> = {}
  const masks: Record<string, Value> = {}
  const windows: Record<number, Value> = {}
  const byWindow: Record<number, Value> = {}
  for (const { name, shape } of states) {
    past[name] = g.input(`past.${name}`, 'float32', pastShape(batch, shape))
    if (shape.kind !== 'window') continue
    const size = `window${shape.window}`
    byWindow[shape.window] ??= g.input(`mask.${size}`, 'float32', [length, size])
    windows[shape.window] ??= g.input(`padding.${size}`, 'float32', [batch, size])
    masks[name] = byWindow[shape.window]!
  }

  let x = embedded(g, config, weights.embedding!, ids)
  const after: Record<string, Value> = {}
  const blindToPadding: number[] = []
  for (let layer = 0; layer < config.layers; layer++) {
    const ofLayer = (all: Readonly<Record<string, Value>>, name: (slot: Slot) => string) => ({
      attention: under(all, name('attention')),
      ffn: under(all, name('ffn')),
    })
    const ofStates = (all: Readonly<Record<string, Value>>) => ofLayer(all, (slot) => `${layer}.${slot}.`)
    // A separate value for each layer, to see whether the layer uses it.
    const ofThisLayer = g.stopGradient(ownPadding)
    const result = buildLayer(
      g,
      x,
      config,
      layer,
      blocks,
      ofLayer(weights, (slot) => weightName(layer, slot, '')),
      {
        batch,
        length,
        rotaries,
        mask,
        wantState: true,
        past: ofStates(past),
        windowMasks: ofStates(masks),
        padding: { own: ofThisLayer, past: earlier, windows },
      },
    )
    x = result.x
    for (const slot of slots)
      for (const [name, value] of Object.entries(result.state[slot])) after[`${layer}.${slot}.${name}`] = value
    const stateful = states.filter((state) => state.layer === layer)
    const sees = g.uses(ofThisLayer).length > 0 && stateful.every(({ slot }) => slot === 'attention')
    if (stateful.length > 0 && !sees) blindToPadding.push(layer)
  }
  for (const { name } of states) g.output(`new.${name}`, after[name]!)
  const normed = finalNorm(g, config, x, weights.norm!)
  g.output('rows', logitsOf(g, config, normed, weights.head ?? weights.embedding!))
  return { batch, length, record: g.written(), parts, blindToPadding }
}

/** Bits of the quantised matrices of a model, by the names of `modelShapes`. */
export function quantisedNames(model: Model): Map<string, 4 | 8> {
  const all = new Map<string, 4 | 8>()
  const end = quantisedEnd(model.config)
  if (end) all.set(end.name, end.bits)
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of slots) {
      const quantisation = quantisationOf(model, layer, slot)
      for (const name of quantisation?.names ?? []) all.set(weightName(layer, slot, name), quantisation!.bits)
    }
  return all
}

/** Zeros in place of all quantised matrices: the graph is built before any weight is read. */
let zeros = new ArrayBuffer(0)

function placeholder(
  weight: string,
  [inputs, outputs]: readonly [number, number],
  bits: 4 | 8,
  parts: Map<TypedArray, WeightPart>,
) {
  const blocks = Math.ceil(inputs / quantisationBlock)
  const count = outputs * blocks
  const bytes = (quantisationBlock * bits) / 8
  if (zeros.byteLength < count * Math.max(bytes, 4)) zeros = new ArrayBuffer(count * Math.max(bytes, 4))
  const levels = new Uint8Array(zeros, 0, count * bytes)
  const scales = new Float32Array(zeros, 0, count)
  parts.set(levels, { weight, part: 'levels' })
  parts.set(scales, { weight, part: 'scales' })
  return { bits, shape: [inputs, outputs] as const, levels, scales }
}

/** Entries whose names begin with a prefix; their names no longer have it. */
const under = (values: Readonly<Record<string, Value>>, prefix: string): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
    ),
  )

/** Creates the error for a model that this format cannot represent. */
export const refusal = (folder: string, message: string, remedy: string): Failure =>
  new Failure('InvalidInput', `${folder} cannot become an ONNX model: ${message}`, { file: folder, remedy })
