import type { GraphRecord, Initializer } from '../../tensor/onnx.js'
import type { Model } from '../model.js'
import { inverseFrequencies, isFixed, rotaryTables } from '../rotary.js'
import { generalise, NotGeneral, type General, type RunTimeSizes } from './generalise.js'
import { attentionMask, inputIds, logitsOutput, stateEntries, type StateEntry } from './interface.js'
import { needed, Nodes } from './nodes.js'
import { buildTrace, refusal, type Trace, type WeightPart } from './trace.js'

/** A model's graph for any batch and length, without the weights. */
export interface Assembled {
  readonly graph: GraphRecord
  /** Names of weights that the graph reads as floats. */
  readonly floats: ReadonlySet<string>
  readonly parts: readonly { readonly tensor: Initializer; readonly part: WeightPart }[]
  readonly states: readonly StateEntry[]
  readonly blindToPadding: readonly number[]
}

/** Batches and lengths to trace: two of each in all combinations, and one more pair as a check. They are prime, so that a size
 *  of the model is unlikely to equal one of them or a multiple. If one does, the second set may still work. */
const tracedSizes = [
  { batches: [5, 7], lengths: [11, 13], check: [3, 17] },
  { batches: [19, 23], lengths: [29, 37], check: [17, 41] },
] as const

/** An index beyond the end of every axis. */
const end = 2 ** 31 - 1

/** Builds a model's graph for any batch and length.
 *  @param integers  whether quantised matrices stay integers
 *  @throws Failure InvalidInput for a model that cannot be one graph for every batch and length */
export function assemble(model: Model, integers: boolean): Assembled {
  if (!model.config.rotaries.every(isFixed))
    throw refusal(model.folder, 'its rotary embedding changes with the length of the text', 'Use another format.')
  const run = new Nodes()
  const sizes = runTimeSizes(run)
  const { general, trace } = traced(model, integers, run, sizes)
  const states = stateEntries(model)
  feeds(model, run, sizes, states)

  const before = run.nodes.length
  const outputs = [logitsOutput(model), ...states.map(({ output }) => output)]
  run.name('logits', run.emit('Reshape', ['rows', run.concat([sizes.batch, sizes.length, run.ints([-1])], 0)]))
  for (const state of states) run.name(state.output.name, present(run, state))
  const all = [...run.nodes.slice(0, before), ...general.nodes, ...run.nodes.slice(before)]
  const { nodes, values } = needed(
    all,
    outputs.map(({ name }) => name),
  )
  const constants = [...run.constants, ...general.constants]
  return {
    graph: {
      name: 'decoder',
      nodes,
      initializers: constants.filter(({ name }) => values.has(name)),
      inputs: [inputIds, attentionMask, ...states.map(({ input }) => input)],
      outputs,
    },
    floats: values,
    parts: general.parts.filter(({ tensor }) => values.has(tensor.name)),
    states,
    blindToPadding: trace.blindToPadding,
  }
}

function traced(model: Model, integers: boolean, run: Nodes, sizes: RunTimeSizes): { general: General; trace: Trace } {
  let last = ''
  for (const { batches, lengths, check } of tracedSizes) {
    const pairs = [...lengths.flatMap((length) => batches.map((batch) => [batch, length] as const)), check]
    const traces = pairs.map(([batch, length]) => buildTrace(model, batch, length, integers))
    try {
      return { general: generalise(traces, run, sizes), trace: traces[0]! }
    } catch (error) {
      if (!(error instanceof NotGeneral)) throw error
      last = error.message
    }
  }
  throw refusal(
    model.folder,
    `a block type's graph is not the same for every batch and length: ${last}`,
    'Let batch and length decide only sizes in its forward, and make masks with Graph.band; or export without that block type.',
  )
}

/** Sizes of the chunk as int64 [1]. */
function runTimeSizes(run: Nodes): RunTimeSizes {
  const [batch, length] = [run.size('input_ids', 0), run.size('input_ids', 1)]
  return { batch, length, tokens: run.emit('Mul', [batch, length]) }
}

/** Computes the inputs of the traced graph from those of the exported one. */
function feeds(model: Model, run: Nodes, { length }: RunTimeSizes, states: readonly StateEntry[]): void {
  const total = run.size('attention_mask', 1)
  const past = run.emit('Sub', [total, length])
  const zero = run.ints([0])
  run.name('ids', run.emit('Reshape', ['input_ids', run.ints([-1])]))

  const positions = run.range(past, total)
  for (const [i, rotary] of model.config.rotaries.entries()) {
    // Angles are computed in float64 and reduced to one turn: float32 cannot distinguish late positions.
    const frequencies = Float64Array.from(inverseFrequencies(rotary, model.config.headDim, 1))
    const row = run.constant(frequencies, 'float64', [1, frequencies.length])
    const turn = run.constant(Float64Array.of(2 * Math.PI), 'float64', [])
    const angles = run.emit('Mul', [run.unsqueeze(run.cast(positions, 'float64'), 1), row])
    const angle = run.cast(run.emit('Mod', [angles, turn], { fmod: 1 }), 'float32')
    // The angle of position 0 is 0, so its cosine is the factor by which the scaling multiplies all tables.
    const factor = rotaryTables(rotary, model.config.headDim, 0, 1).cos[0]!
    for (const [table, op] of [
      ['cos', 'Cos'],
      ['sin', 'Sin'],
    ] as const) {
      const half = run.emit(op, [angle])
      const scaled = factor === 1 ? half : run.emit('Mul', [half, run.float(factor)])
      run.name(`${table}.${i}`, run.concat([scaled, scaled], 1))
    }
  }

  // 0 for text, -1e9 for padding.
  const padding = run.emit('Mul', [
    run.emit('Sub', [run.float(1), run.cast('attention_mask', 'float32')]),
    run.float(-1e9),
  ])
  run.name('padding.own', run.slice(padding, 1, past, total))
  run.name('padding.past', run.slice(padding, 1, zero, past))
  run.name('mask', run.emit('Expand', [run.float(0), past]))
  const sized = new Map(
    states.flatMap(({ shape, input }) => (shape.kind === 'window' ? [[shape.window, input.name] as const] : [])),
  )
  for (const [window, state] of sized) {
    const slots = run.size(state, 2)
    run.name(`padding.window${window}`, run.slice(padding, 1, run.emit('Sub', [past, slots]), past))
    // Token i of the chunk is slots - j + i positions after slot j.
    const [own, slot] = [run.unsqueeze(run.range(zero, length), 1), run.unsqueeze(run.range(zero, slots), 0)]
    const back = run.emit('Sub', [run.emit('Add', [own, slots]), slot])
    const seen = run.emit('LessOrEqual', [back, run.ints([window], [])])
    run.name(`mask.window${window}`, run.emit('Where', [seen, run.float(0), run.float(-1e9)]))
  }
  for (const { name, input } of states) run.name(`past.${name}`, input.name)
}

/** A state after the chunk. */
function present(run: Nodes, { name, shape, input }: StateEntry): string {
  if (shape.kind === 'per-sequence') return `new.${name}`
  const all = run.concat([input.name, `new.${name}`], 2)
  return shape.kind === 'window' ? run.slice(all, 2, run.ints([-shape.window]), run.ints([end])) : all
}
