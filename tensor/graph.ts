import type { Scope, Value } from './core.js'
import { backward } from './gradients.js'
import { HeadGraph } from './heads.js'
import { show, ShapeError } from './types.js'

/** What a scan does. */
export interface ScanOptions {
  /** Initial states, carried from step to step. */
  readonly carried: readonly Value[]
  /** Tensors whose axis 0 is the steps; all of the same length. */
  readonly sequences: readonly Value[]
  /** One step: states and slices to new states (of the same shapes) and outputs. May use values of outside. */
  readonly body: (
    carried: readonly Value[],
    slices: readonly Value[],
  ) => { readonly carried: readonly Value[]; readonly outputs: readonly Value[] }
}

const isFloat = (v: Value) => v.dtype.startsWith('float')

/**
 * A computation over typed, shaped tensors. Operators check shapes when they are called and are differentiable
 * (`gradients`) where that has a meaning.
 */
export class Graph extends HeadGraph {
  /** Steps of a recurrence. The gradient saves the states and computes each step again, backwards.
   *  @returns the last states, and the outputs of all steps stacked along a new axis 0 */
  scan({ carried, sequences, body }: ScanOptions): { carried: Value[]; outputs: Value[] } {
    const steps = sequences[0]?.shape[0]
    if (steps === undefined) throw new ShapeError('scan', 'needs a sequence')
    for (const s of sequences)
      if (s.shape[0] !== steps) throw new ShapeError('scan', `sequences of ${steps} and ${s.shape[0]} steps`)
    let states: Value[] = []
    let inner: ReturnType<ScanOptions['body']> = { carried: [], outputs: [] }
    const scope = this.body(() => {
      states = carried.map((v) => this.input(this.fresh(), v.dtype, v.shape))
      const slices = sequences.map((v) => this.input(this.fresh(), v.dtype, v.shape.slice(1)))
      inner = body(states, slices)
      checkStates(carried, inner.carried)
      for (const v of [...inner.carried, ...inner.outputs]) this.output(this.fresh(), v)
    })
    const captured = [...scope.captured.values()].filter(isFloat)
    const results = this.emit(
      'Scan',
      [...carried, ...sequences],
      [
        ...carried.map((v) => [v.dtype, v.shape] as const),
        ...inner.outputs.map((v) => [v.dtype, [steps, ...v.shape]] as const),
      ],
      { body: { graph: () => this.recordOf(scope) }, num_scan_inputs: sequences.length },
    )
    const node = this.lastNode()
    this.record({
      outputs: results,
      inputs: [...carried, ...sequences, ...captured],
      rule: (dy, wanted) => {
        const saved = states.map((v) => {
          this.addOutput(scope, v)
          return this.extend(node, v.dtype, [steps, ...v.shape])
        })
        const found = this.scanBackward(saved, { carried, sequences, body }, captured, dy, wanted)
        return found.map((v) => v && (() => v))
      },
    })
    return { carried: results.slice(0, carried.length), outputs: results.slice(carried.length) }
  }

  /** Gradients of carried, sequences and captured, by a scan from the last step to the first. */
  private scanBackward(
    saved: readonly Value[],
    { carried, sequences, body }: ScanOptions,
    captured: readonly Value[],
    dy: readonly (Value | undefined)[],
    wanted: readonly boolean[],
  ): (Value | undefined)[] {
    const steps = sequences[0]!.shape[0]!
    const floatStates = carried.flatMap((v, i) => (isFloat(v) ? [i] : []))
    const dOutputs = dy.slice(carried.length)
    const used = dOutputs.flatMap((d, i) => (d ? [i] : []))
    const wantedSequences = sequences.flatMap((v, i) => (isFloat(v) && wanted[carried.length + i] ? [i] : []))
    const wantedCaptured = captured.filter((_, i) => wanted[carried.length + sequences.length + i])
    const initial = [
      ...floatStates.map((i) => dy[i] ?? this.zeros(carried[i]!.shape, carried[i]!.dtype)),
      ...wantedCaptured.map((v) => this.zeros(v.shape, v.dtype)),
    ]
    const inputs = [...saved, ...sequences, ...used.map((i) => dOutputs[i]!)]
    const scope: Scope = this.body(() => {
      const sums = initial.map((v) => this.input(this.fresh(), v.dtype, v.shape))
      const slices = inputs.map((v) => this.input(this.fresh(), v.dtype, v.shape.slice(1)))
      const states = slices.slice(0, saved.length)
      const parts = slices.slice(saved.length, saved.length + sequences.length)
      const step = body(states, parts)
      const seeds: [Value, Value][] = [
        ...floatStates.map((i, n): [Value, Value] => [step.carried[i]!, sums[n]!]),
        ...used.map((i, n): [Value, Value] => [step.outputs[i]!, slices[saved.length + sequences.length + n]!]),
      ]
      const wrt = [...floatStates.map((i) => states[i]!), ...wantedCaptured, ...wantedSequences.map((i) => parts[i]!)]
      const found = backward(this, seeds, wrt)
      for (const [n, v] of found.entries()) {
        const isSum = n >= floatStates.length && n < initial.length
        this.output(this.fresh(), isSum ? this.add(sums[n]!, v) : v)
      }
    })
    const results = this.emit(
      'Scan',
      [...initial, ...inputs],
      [
        ...initial.map((v) => [v.dtype, v.shape] as const),
        ...wantedSequences.map((i) => [sequences[i]!.dtype, [steps, ...sequences[i]!.shape.slice(1)]] as const),
      ],
      {
        body: { graph: () => this.recordOf(scope) },
        num_scan_inputs: inputs.length,
        scan_input_directions: inputs.map(() => 1),
        ...(wantedSequences.length && { scan_output_directions: wantedSequences.map(() => 1) }),
      },
    )
    const at = (values: readonly Value[], v: Value, offset: number) => {
      const n = values.indexOf(v)
      return n < 0 ? undefined : results[offset + n]
    }
    return [
      ...carried.map((_, i) => (floatStates.includes(i) ? results[floatStates.indexOf(i)] : undefined)),
      ...sequences.map((_, i) =>
        wantedSequences.includes(i) ? results[initial.length + wantedSequences.indexOf(i)] : undefined,
      ),
      ...captured.map((v) => at(wantedCaptured, v, floatStates.length)),
    ]
  }

  /** Steps whose number is known at run time only (ONNX Loop): for a trainer, without a gradient of its own.
   *  @param count  number of steps, int64 scalar
   *  @returns last states, and outputs stacked along a new axis 0 named `steps` */
  loop(
    count: Value,
    carried: readonly Value[],
    body: (
      step: Value,
      carried: readonly Value[],
    ) => { readonly carried: readonly Value[]; readonly outputs: readonly Value[] },
  ): { carried: Value[]; outputs: Value[] } {
    let outputs: readonly Value[] = []
    const scope = this.body(() => {
      const step = this.input(this.fresh(), 'int64', [])
      const condition = this.input(this.fresh(), 'bool', [])
      const states = carried.map((v) => this.input(this.fresh(), v.dtype, v.shape))
      const result = body(step, states)
      checkStates(carried, result.carried)
      outputs = result.outputs
      for (const v of [condition, ...result.carried, ...outputs]) this.output(this.fresh(), v)
    })
    const results = this.emit(
      'Loop',
      [count, this.scalar(1, 'bool'), ...carried],
      [
        ...carried.map((v) => [v.dtype, v.shape] as const),
        ...outputs.map((v) => [v.dtype, ['steps', ...v.shape]] as const),
      ],
      { body: { graph: () => this.recordOf(scope) } },
    )
    return { carried: results.slice(0, carried.length), outputs: results.slice(carried.length) }
  }
}

function checkStates(before: readonly Value[], after: readonly Value[]): void {
  const differs = before.some((v, i) => v.dtype !== after[i]?.dtype || show(v.shape) !== show(after[i].shape))
  if (after.length !== before.length || differs)
    throw new ShapeError(
      'scan',
      `states ${before.map((v) => show(v.shape)).join(', ')} become ${after.map((v) => show(v.shape)).join(', ')}`,
    )
}
