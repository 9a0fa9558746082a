import { cpus } from 'node:os'
import {
  cacheWidth,
  endBytes,
  findLlamaCpp,
  llamaBytes,
  modelShapes,
  slotBytes,
  stateShapes,
  weightWidth,
  type HeadWeights,
  type Model,
  type Scenario,
  type Seconds,
} from '../model/index.js'
import { elements, engineVersion } from '../tensor/index.js'
import { processors } from '../tensor/processors.js'
import { slots, type JsonObject, type Slot } from '../api/index.js'

/** Costs of a block in the scenario. */
export interface Cost {
  /** Seconds to process the prompts of all sequences. */
  readonly prefillSeconds: number
  /** Seconds to generate all tokens of all sequences. */
  readonly decodeSeconds: number
  /** Bytes of the weights in memory and of the state (such as the KV cache) of all sequences at their full length. */
  readonly memoryBytes: number
  readonly parameters: number
  /** Half the width of the 95 % interval of the seconds, where they were timed as a block's. */
  readonly error?: number
  /** Present where its time was lost in noise, and the seconds are what the interval does not rule out. */
  readonly lost?: true
}

/** Costs of all distinct blocks on one machine, by slot and variant. */
export interface CostTable {
  readonly version: 1
  readonly fingerprint: JsonObject
  readonly scenario: Scenario
  /** Embedding, final norm and head: the costs of a model without blocks. */
  readonly floor: Cost
  /** The same with a quantised head; absent if the space has none. */
  readonly heads?: Readonly<Partial<Record<HeadWeights, Cost>>>
  readonly attention: Readonly<Record<string, Cost>>
  readonly ffn: Readonly<Record<string, Cost>>
}

/** Everything besides the blocks that times depend on: processor, cores, threads, platform and engine. */
export const fingerprint = (threads: number, { engine }: Pick<Scenario, 'engine'>): JsonObject => ({
  processor: cpus()[0]?.model ?? 'unknown',
  // Only the cores that this process may use: work on others does not slow it down.
  cores: processors(),
  threads,
  platform: `${process.platform}-${process.arch}`,
  engine: engine === 'llama.cpp' ? `node-llama-cpp ${findLlamaCpp().version}` : `onnxruntime ${engineVersion}`,
})

/** Sum of two costs, field by field. */
export const addCosts = (a: Cost, b: Cost): Cost => ({
  prefillSeconds: a.prefillSeconds + b.prefillSeconds,
  decodeSeconds: a.decodeSeconds + b.decodeSeconds,
  memoryBytes: a.memoryBytes + b.memoryBytes,
  parameters: a.parameters + b.parameters,
})

/** Predicts the costs of a model: the floor plus the costs of every slot. @param choice  variants by layer */
export function totalCost(
  table: CostTable,
  choice: readonly { readonly attention: string; readonly ffn: string }[],
): Cost {
  return choice.reduce((sum, own) => {
    const cost = (slot: Slot) => {
      const found = table[slot][own[slot]]
      if (!found) throw new Error(`Internal error: no cost of ${slot} ${own[slot]}`)
      return found
    }
    return addCosts(addCosts(sum, cost('attention')), cost('ffn'))
  }, table.floor)
}

/** Seconds of prefill and decoding together. */
export const runtime = ({ prefillSeconds, decodeSeconds }: Seconds): number => prefillSeconds + decodeSeconds

/** Throughput: generated tokens of all sequences per second of prefill and decoding. */
export const throughputOf = ({ batch, generate }: Scenario, seconds: Seconds): number =>
  (batch * generate) / runtime(seconds)

/** Seconds of decoding per generated token of a sequence; all sequences of the batch advance at once. */
export const tokenLatencyOf = ({ generate }: Scenario, { decodeSeconds }: Seconds): number => decodeSeconds / generate

/** Number of parameters of a model, including embedding, final norm and head. */
export const parameterCount = ({ config, blocks }: Pick<Model, 'config' | 'blocks'>): number =>
  Object.values(modelShapes(config, blocks)).reduce((n, shape) => n + elements(shape), 0)

/** Computes the number of parameters, and the bytes of weights and state at full length, from shapes alone. */
export function sizes(model: Model, scenario: Scenario): { parameters: number; memoryBytes: number } {
  const { batch, prefill, generate, engine } = scenario
  const parameters = parameterCount(model)
  if (engine === 'llama.cpp') return { parameters, memoryBytes: llamaBytes(model, scenario) }
  const tokens = prefill + generate
  const state = stateShapes(model).reduce((n, { shape }) => {
    const sequence =
      shape.kind === 'per-sequence'
        ? // Recurrent states stay in float32: engines round only what grows with the tokens.
          4
        : cacheWidth(scenario) * Math.min(shape.kind === 'window' ? shape.window : tokens, tokens)
    return n + sequence * elements(shape.shape) * batch
  }, 0)
  return { parameters, memoryBytes: weightBytes(model, weightWidth(scenario)) + state }
}

/** Bytes of a model's weights in memory. @param width  of a weight that is not quantised */
function weightBytes(model: Model, width: number): number {
  const { hidden, layers } = model.config
  const ends = endBytes(model.config, width) + width * hidden
  const bytes = Array.from({ length: layers }, (_, layer) =>
    slots.reduce((n, slot) => n + slotBytes(model, layer, slot, width), 0),
  )
  return bytes.reduce((a, b) => a + b, ends)
}
