import { backward } from './gradients.js'
import { HeadGraph } from './heads.js'
import type { Scope } from './scope.js'
import { show, ShapeError } from './types.js'
import type { Value } from './value.js'

/** Input of `scan`. */
export interface ScanOptions {
  /** Initial states, carried from step to step. */
  readonly carried: readonly Value[]
  /** Tensors that are sliced along axis 0, one slice per step; all have the same number of steps. */
  readonly sequences: readonly Value[]
  /**
   * Builds one step, which may use values from outside.
   * @param carried  states before the step
   * @param slices   this step's slice of each sequence, without axis 0
   * @returns states after the step, with unchanged types and shapes, and the step's outputs
   */
  readonly body: (
    carried: readonly Value[],
    slices: readonly Value[],
  ) => { readonly carried: readonly Value[]; readonly outputs: readonly Value[] }
}

const isFloat = (v: Value) => v.dtype.startsWith('float')

/**
 * A computation over typed, shaped tensors, which becomes an ONNX model. Operators check shapes as they are called;
 * `gradients` differentiates through all of them that have a derivative.
 *
 * The `@example` of an operator names its inputs with their shapes (float32 unless stated otherwise), the shape of the
 * result, and the ONNX operators that it becomes.
 *
 * @example
 * ```ts
 * const g = new Graph()
 * const x = g.input('x', 'float32', [8, 128])
 * const w = g.input('w', 'float32', [128, 64])
 * g.output('y', g.silu(g.matmul(x, w))) // [8, 64]
 * const session = await Session.create(g)
 * ```
 */
export class Graph extends HeadGraph {
  /**
   * Runs a recurrence over sequences. The gradient keeps the states of all steps and recomputes the rest of each step,
   * last step first.
   *
   * @returns the final states, and each output of all steps stacked along a new axis 0
   * @throws ShapeError if there is no sequence, their numbers of steps differ, or a state changes its type or shape
   * @example state [4], xs [8, 4]: `g.scan({ carried: [state], sequences: [xs],
   * body: ([s], [x]) => ({ carried: [g.add(s!, x!)], outputs: [s!] }) })` → carried [4] and outputs [8, 4]. ONNX: Scan
   */
  scan({ carried, sequences, body }: ScanOptions): { carried: Value[]; outputs: Value[] } {
    const steps = sequences[0]?.shape[0]
    if (steps === undefined) throw new ShapeError('scan', 'at least one sequence is needed')
    for (const s of sequences)
      if (s.shape[0] !== steps) throw new ShapeError('scan', `sequences have ${steps} and ${s.shape[0]} steps`)
    let states: Value[] = []
    let inner: ReturnType<ScanOptions['body']> = { carried: [], outputs: [] }
    const scope = this.body(() => {
      states = carried.map((v) => this.input(this.fresh(), v.dtype, v.shape))
      const slices = sequences.map((v) => this.input(this.fresh(), v.dtype, v.shape.slice(1)))
      inner = body(states, slices)
      checkStates('scan', carried, inner.carried)
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
        const inputGradients = this.scanBackward(saved, { carried, sequences, body }, captured, dy, wanted)
        return inputGradients.map((v) => v && (() => v))
      },
    })
    return { carried: results.slice(0, carried.length), outputs: results.slice(carried.length) }
  }

  /** Gradients of the initial states, the sequences and the captured values, by a scan from the last step to the first. */
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
      for (const [n, v] of backward(this, seeds, wrt).entries()) {
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

  /**
   * Repeats a step as often as a value says at run time. It serves the trainer and has no gradient.
   *
   * @param count    number of steps, int64 scalar
   * @param carried  initial states
   * @param body     builds one step from its number (int64 scalar) and the states before it
   * @returns the final states, and each output of all steps stacked along a new axis 0 named `steps`
   * @throws ShapeError if a state changes its type or shape
   * @example count int64 [], x [4]: `g.loop(count, [x],
   * (step, [s]) => ({ carried: [g.mul(s!, s!)], outputs: [s!] }))` → carried [4] and outputs ['steps', 4]. ONNX: Loop
   */
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
      checkStates('loop', carried, result.carried)
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

function checkStates(operator: string, before: readonly Value[], after: readonly Value[]): void {
  const differs = before.some((v, i) => v.dtype !== after[i]?.dtype || show(v.shape) !== show(after[i].shape))
  const list = (states: readonly Value[]) => states.map(({ dtype, shape }) => `${dtype} ${show(shape)}`).join(', ')
  if (after.length !== before.length || differs)
    throw new ShapeError(operator, `a step must not change the states ${list(before)} to ${list(after)}`)
}
