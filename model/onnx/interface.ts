import type { StateShape } from '../../api/index.js'
import type { Dim } from '../../tensor/index.js'
import type { ValueRecord } from '../../tensor/onnx.js'
import type { Model } from '../model.js'
import { stateShapes } from '../state.js'

/** A state of a layer as input and output of the exported graph. */
export interface StateEntry {
  /** NAME of the traced graph's `past.NAME` and `new.NAME`. */
  readonly name: string
  readonly layer: number
  readonly shape: StateShape
  readonly input: ValueRecord
  readonly output: ValueRecord
}

/** Token ids. Inputs and outputs have the names that Hugging Face Optimum gives to decoders with a cache. */
export const inputIds: ValueRecord = { name: 'input_ids', dtype: 'int64', shape: ['batch_size', 'sequence_length'] }
export const attentionMask: ValueRecord = {
  name: 'attention_mask',
  dtype: 'int64',
  shape: ['batch_size', 'total_sequence_length'],
}
export const logitsOutput = (model: Model): ValueRecord => ({
  name: 'logits',
  dtype: 'float32',
  shape: ['batch_size', 'sequence_length', model.config.vocabulary],
})

/** Lists the states of a model in the order of its layers. Keys and values that grow with the text have Optimum's names; other
 *  state is `past_state.LAYER.NAME`, or `past_state.LAYER.ffn.NAME` for an FFN. */
export function stateEntries(model: Model): StateEntry[] {
  return stateShapes(model).map(({ name, layer, slot, shape }) => {
    const cache = { k: 'key', v: 'value' }[shape.name]
    const known = slot === 'attention' && shape.kind === 'per-token' ? cache : undefined
    const suffix = `${layer}.${slot === 'ffn' ? 'ffn.' : ''}${shape.name}`
    const [before, after] =
      known === undefined
        ? [`past_state.${suffix}`, `present_state.${suffix}`]
        : [`past_key_values.${layer}.${known}`, `present.${layer}.${known}`]
    const value = (called: string, slots: Dim): ValueRecord => ({
      name: called,
      dtype: 'float32',
      shape: ['batch_size', ...(shape.kind === 'per-sequence' ? shape.shape : [shape.shape[0], slots, shape.shape[1]])],
    })
    const [past, present] =
      shape.kind === 'window'
        ? [`past_window_${shape.window}`, `present_window_${shape.window}`]
        : ['past_sequence_length', 'total_sequence_length']
    return { name, layer, shape, input: value(before, past), output: value(after, present) }
  })
}

/** The description of the graph in config.json, under `puzzleflow.onnx`. */
export interface OnnxDescription {
  readonly file: string
  /** Name of the file with the weights, unless they are inside the graph's file. */
  readonly data?: string
  /** How floats are stored; the graph computes in float32. */
  readonly dtype: string
  readonly opset: number
  /** Operators that the graph needs and only onnxruntime has. */
  readonly contribOperators: readonly string[]
  /** Whether sequences of a batch may begin with padding; false if a layer would treat padding as text. */
  readonly leftPadding: boolean
  readonly layersBlindToPadding?: readonly number[]
  readonly states: readonly {
    readonly layer: number
    readonly input: string
    readonly output: string
    /** `per-token`: one more row for each token; `window`: the last `window` rows; `per-sequence`: a fixed size, with zeros at
     *  the start. */
    readonly kind: StateShape['kind']
    /** Shape of the input. Names are sizes known at run time; except for the batch, they are 0 at the start. */
    readonly shape: readonly Dim[]
    readonly window?: number
  }[]
}

export const describeStates = (states: readonly StateEntry[]): OnnxDescription['states'] =>
  states.map(({ layer, shape, input, output }) => ({
    layer,
    input: input.name,
    output: output.name,
    kind: shape.kind,
    shape: input.shape,
    ...(shape.kind === 'window' && { window: shape.window }),
  }))
