import { Graph, type QuantisedMatrix, type Tensor, type Value } from '../tensor/index.js'
import { buildLayer, embedded, finalNorm, logitsOf } from './build.js'
import type { Model } from './model.js'
import { pastShape } from './block-graph.js'
import { stateShapes } from './state.js'
import { slots } from '../api/index.js'

/** A weight as decoding holds it. */
export type DecodingWeight = Tensor | QuantisedMatrix

export interface DecodingGraphOptions {
  readonly batch: number
  /** Tokens of each sequence in a chunk. */
  readonly length: number
  /** Whether there is state before the chunk. */
  readonly hasPast: boolean
  /** Whether weights are constants of the graph. Otherwise they are inputs, except for quantised matrices. */
  readonly constant: boolean
  /** Whether logits are an output, too. */
  readonly logits: boolean
}

/**
 * Builds the graph that reads a chunk of tokens and predicts the next one.
 *
 * Inputs: `ids` int32 [batch * length]; rotary tables `cos` and `sin` [length, headDim] (`cos.1`, `sin.1` and so on for further
 * embeddings); and, if there is a past, `mask` and `past.NAME`.
 *
 * Outputs: `best` int32 [batch]; `logits` [batch, vocabulary] if requested; and the new state, as `state.NAME` after the first
 * chunk, and later packed into one `state`, since each output costs a few microseconds however small it is.
 *
 * @param weights  by name: `embedding`, `norm`, `head` (unless tied), `w.3.ffn.up`
 */
export function buildDecoding(
  model: Model,
  weights: Readonly<Record<string, DecodingWeight>>,
  { batch, length, hasPast, constant, logits: wantLogits }: DecodingGraphOptions,
): Graph {
  const { config, blocks } = model
  const g = new Graph()
  const values: Record<string, Value> = {}
  for (const [name, own] of Object.entries(weights))
    if ('levels' in own) values[name] = g.quantised(own)
    else values[name] = constant ? g.constant(own.data, own.dims) : g.input(name, own.dtype, own.dims)
  const ids = g.input('ids', 'int32', [batch * length])
  const table = (name: string) => g.input(name, 'float32', [length, config.headDim])
  const rotaries = config.rotaries.map((_, i) => ({
    cos: table(rotaryInput('cos', i)),
    sin: table(rotaryInput('sin', i)),
  }))
  const mask = hasPast ? g.input('mask', 'float32', ['capacity']) : undefined
  const states = stateShapes(model)
  const past: Record<string, Value> = {}
  const inputs: Record<string, Value> = {}
  const windowMasks: Record<string, Value> = {}
  if (hasPast)
    for (const { name, shape } of states) {
      past[name] = g.input(`past.${name}`, 'float32', pastShape(batch, shape))
      if (shape.kind !== 'window') continue
      const input = `mask.window${shape.window}`
      inputs[input] ??= g.input(input, 'float32', [length, `window${shape.window}`])
      windowMasks[name] = inputs[input]
    }

  let x = embedded(g, config, values.embedding!, ids)
  const after: Record<string, Value> = {}
  for (let layer = 0; layer < config.layers; layer++) {
    const bySlot = (all: Readonly<Record<string, Value>>, prefix: string) => ({
      attention: under(all, `${prefix}${layer}.attention.`),
      ffn: under(all, `${prefix}${layer}.ffn.`),
    })
    const result = buildLayer(g, x, config, layer, blocks, bySlot(values, 'w.'), {
      batch,
      length,
      rotaries,
      wantState: true,
      ...(mask && { past: bySlot(past, ''), windowMasks: bySlot(windowMasks, ''), mask }),
    })
    x = result.x
    for (const slot of slots)
      for (const [name, value] of Object.entries(result.state[slot])) after[`${layer}.${slot}.${name}`] = value
  }
  outputStates(
    g,
    states.map(({ name }) => [name, after[name]!]),
    hasPast,
  )

  // Only the last position of each sequence needs a prediction.
  const last = g.slice(g.reshape(x, [batch, length, config.hidden]), 1, length - 1, length)
  const normed = finalNorm(g, config, g.reshape(last, [batch, config.hidden]), values.norm!)
  const logits = logitsOf(g, config, normed, values.head ?? values.embedding!)
  g.output('best', g.cast(g.argmax(logits, 1), 'int32'))
  if (wantLogits) g.output('logits', logits)
  return g
}

/** Name of the input for a table of the model's rotary embedding with this index. */
export const rotaryInput = (table: 'cos' | 'sin', index: number): string => (index === 0 ? table : `${table}.${index}`)

/** Entries whose names begin with a prefix; their names no longer have it. */
const under = (values: Readonly<Record<string, Value>>, prefix: string): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  )

function outputStates(g: Graph, states: readonly (readonly [string, Value])[], packed: boolean): void {
  if (!packed) for (const [name, value] of states) g.output(`state.${name}`, value)
  else if (states.length > 0) {
    const flat = states.map(([, v]) => g.reshape(v, [v.shape.reduce<number>((n, d) => n * Number(d), 1)]))
    g.output('state', g.concat(flat, 0))
  }
}
