import { adamW, optimiserFeeds } from './adamw.js'
import { gradients } from './gradients.js'
import { Graph } from './graph.js'
import type { AdamWOptions } from './schedule.js'
import { Session } from './session.js'
import { elements, show, ShapeError, type DType, type Shape, type Tensor } from './types.js'
import type { Value } from './value.js'

/** A loss or a gradient is NaN or infinite. The trainer keeps the state it had before the native call. */
export class NonFiniteError extends Error {
  constructor(
    /** Step, counted from 0 since the start of training. */
    readonly step: number,
    /** What is not finite: the loss or the gradient norm. */
    readonly what: 'loss' | 'gradient',
    /** NaN or infinity; for a gradient, its global norm. */
    readonly value: number,
  ) {
    super(`The ${what} of step ${step} is ${value}`)
    this.name = 'NonFiniteError'
  }
}

/** What the loss is built from, by name. */
export interface LossValues {
  /** The trained parameters. */
  readonly parameters: Readonly<Record<string, Value>>
  /** The tensors that are not trained. */
  readonly frozen: Readonly<Record<string, Value>>
  /** Inputs of one step. */
  readonly batch: Readonly<Record<string, Value>>
}
/** A scalar loss, optionally with further scalars to record at each step. */
export type LossResult = Value | { readonly loss: Value; readonly metrics?: Readonly<Record<string, Value>> }

/** What to train, and how. */
export interface TrainerOptions {
  /** Initial values of the trained parameters, float32. */
  readonly parameters: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>
  /** Tensors that the loss uses but training does not change. They are not copied: do not modify them. @default none */
  readonly frozen?: Readonly<Record<string, Tensor>>
  /** Inputs of one step. */
  readonly batch: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>
  /** Builds the loss. */
  readonly loss: (g: Graph, values: LossValues) => LossResult
  /** Optimiser and learning rate schedule. */
  readonly optimiser: AdamWOptions
  /** Steps per native call, within which nothing is copied and nothing can interrupt. @default 8 */
  readonly stepsPerCall?: number
  /** Threads within an operator. @default 1 */
  readonly threads?: number
}

/** Everything that the next steps depend on. */
export interface TrainerState {
  /** Completed steps. */
  readonly step: number
  /** Parameters `p:NAME`, first moments `m:NAME`, second moments `v:NAME`. */
  readonly tensors: Readonly<Record<string, Tensor>>
}

/** Measurements of a run, one element per step. */
export interface TrainingRecord {
  /** Losses. */
  readonly losses: Float32Array
  /** Global gradient norms before clipping. */
  readonly gradientNorms: Float32Array
  /** Metrics that the loss reports, by name. */
  readonly metrics: Readonly<Record<string, Float32Array>>
}

/**
 * Trains parameters with AdamW. A native call runs several steps and keeps parameters and moments in native memory. How
 * steps are grouped into calls and runs does not affect the numbers.
 */
export class Trainer {
  private constructor(
    private readonly session: Session,
    private readonly options: TrainerOptions,
    private readonly metricNames: readonly string[],
    private step: number,
    private tensors: Readonly<Record<string, Tensor>>,
  ) {}

  /**
   * Builds and loads the graph of loss, gradients and optimiser.
   *
   * @throws ShapeError if the loss is not a scalar or an operator rejects its inputs
   */
  static async create(options: TrainerOptions): Promise<Trainer> {
    const { bytes, metricNames } = buildTrainingGraph(options)
    const session = await Session.create(bytes, { threads: options.threads ?? 1 })
    return new Trainer(session, options, metricNames, 0, initialTensors(options))
  }

  /**
   * Trains on batches, one per step.
   *
   * @param batches  every input of `TrainerOptions.batch`, [steps, ...shape]
   * @throws ShapeError if an input is missing or has the wrong type or shape
   * @throws NonFiniteError at the first step whose loss or gradient is NaN or infinite
   */
  async run(batches: Readonly<Record<string, Tensor>>): Promise<TrainingRecord> {
    const steps = checkBatches(this.options.batch, batches)
    const perCall = this.options.stepsPerCall ?? 8
    const losses = new Float32Array(steps)
    const gradientNorms = new Float32Array(steps)
    const metrics = Object.fromEntries(this.metricNames.map((name) => [name, new Float32Array(steps)]))
    for (let start = 0; start < steps; start += perCall) {
      const count = Math.min(perCall, steps - start)
      const results = await this.session.run({
        ...this.tensors,
        ...optimiserFeeds(this.options.optimiser, this.step, count),
        ...prefixed('f:', this.options.frozen ?? {}),
        ...prefixed('b:', slices(batches, start, count)),
        count: { dtype: 'int64', dims: [], data: BigInt64Array.of(BigInt(count)) },
      })
      const column = (name: string) => results[name]!.data as Float32Array
      this.refuseNonFinite(column('losses'), column('norms'))
      losses.set(column('losses'), start)
      gradientNorms.set(column('norms'), start)
      for (const name of this.metricNames) metrics[name]!.set(column(`metric:${name}`), start)
      this.tensors = Object.fromEntries(Object.keys(this.tensors).map((name) => [name, results[`new:${name}`]!]))
      this.step += count
    }
    return { losses, gradientNorms, metrics }
  }

  private refuseNonFinite(losses: Float32Array, norms: Float32Array): void {
    for (let i = 0; i < losses.length; i++) {
      if (!Number.isFinite(losses[i])) throw new NonFiniteError(this.step + i, 'loss', losses[i]!)
      if (!Number.isFinite(norms[i])) throw new NonFiniteError(this.step + i, 'gradient', norms[i]!)
    }
  }

  /** Returns steps, parameters and moments. Later steps do not change the returned state. */
  state(): TrainerState {
    return { step: this.step, tensors: this.tensors }
  }

  /**
   * Continues from the state of a trainer with the same parameters.
   *
   * @throws ShapeError if the state lacks a parameter or has it in another shape
   */
  restore(state: TrainerState): void {
    for (const [name, { dims }] of Object.entries(this.tensors)) {
      const given = state.tensors[name]
      if (!given || show(given.dims) !== show(dims))
        throw new ShapeError(
          'restore',
          given
            ? `the state has ${name} as ${show(given.dims)}, not ${show(dims)}`
            : `the state lacks ${name} ${show(dims)}`,
        )
    }
    this.step = state.step
    this.tensors = Object.fromEntries(Object.keys(this.tensors).map((name) => [name, state.tensors[name]!]))
  }

  /** Returns the current parameters. */
  parameters(): Record<string, Float32Array> {
    return Object.fromEntries(
      Object.keys(this.options.parameters).map((name) => [name, this.tensors[`p:${name}`]!.data as Float32Array]),
    )
  }

  /** Frees native memory. */
  async release(): Promise<void> {
    await this.session.release()
  }
}

function buildTrainingGraph(options: TrainerOptions): { bytes: Uint8Array; metricNames: string[] } {
  const g = new Graph()
  const names = Object.keys(options.parameters)
  const state = ['p:', 'm:', 'v:'].flatMap((kind) =>
    names.map((name) => g.input(kind + name, 'float32', options.parameters[name]!.shape)),
  )
  const frozen = mapValues(options.frozen ?? {}, (t, name) => g.input(`f:${name}`, t.dtype, t.dims))
  const batches = mapValues(options.batch, (b, name) => g.input(`b:${name}`, b.dtype, ['steps', ...b.shape]))
  const rates = g.input('rates', 'float32', ['steps', 4])
  const count = g.input('count', 'int64', [])
  let metricNames: string[] = []
  const { carried, outputs } = g.loop(count, state, (step, values) => {
    const group = (k: number) => values.slice(k * names.length, (k + 1) * names.length)
    const [current, first, second] = [group(0), group(1), group(2)]
    const parameters = Object.fromEntries(current.map((v, i) => [names[i]!, v]))
    const batch = mapValues(batches, (b) => g.gather(b, step, 0))
    const result = options.loss(g, { parameters, frozen, batch })
    const { loss, metrics = {} } = 'loss' in result ? result : { loss: result }
    metricNames = Object.keys(metrics)
    const update = adamW(g, {
      parameters: current,
      first,
      second,
      gradients: gradients(loss, current),
      waiting: names.map((name) => options.optimiser.waiting?.parameters.includes(name) ?? false),
      rates: g.gather(rates, step, 0),
      options: options.optimiser,
    })
    return {
      carried: [...update.parameters, ...update.first, ...update.second],
      outputs: [loss, update.norm, ...Object.values(metrics)].map((v) => g.reshape(v, [])),
    }
  })
  for (const [i, v] of carried.entries()) g.output(`new:${state[i]!.name}`, v)
  for (const [i, v] of outputs.entries()) g.output(['losses', 'norms'][i] ?? `metric:${metricNames[i - 2]}`, v)
  return { bytes: g.bytes(), metricNames }
}

function initialTensors({ parameters }: TrainerOptions): Record<string, Tensor> {
  const entries = (kind: string, data: (name: string) => Float32Array) =>
    Object.entries(parameters).map(([name, { shape }]): [string, Tensor] => [
      kind + name,
      { dtype: 'float32', dims: shape, data: data(name) },
    ])
  const zeros = (name: string) => new Float32Array(elements(parameters[name]!.shape))
  return Object.fromEntries([
    ...entries('p:', (name) => parameters[name]!.data),
    ...entries('m:', zeros),
    ...entries('v:', zeros),
  ])
}

/** Counts the steps in the batches. */
function checkBatches(expected: TrainerOptions['batch'], given: Readonly<Record<string, Tensor>>): number {
  let steps: number | undefined
  for (const [name, { dtype, shape }] of Object.entries(expected)) {
    const tensor = given[name]
    const matches = tensor?.dtype === dtype && show(tensor.dims.slice(1)) === show(shape)
    if (!matches || (steps !== undefined && tensor.dims[0] !== steps))
      throw new ShapeError(
        'batch',
        `"${name}" is ${tensor ? `${tensor.dtype} ${show(tensor.dims)}` : 'missing'}, not ${dtype} ${show([steps ?? 'steps', ...shape])}`,
      )
    steps = tensor.dims[0]
  }
  if (steps === undefined) throw new ShapeError('batch', 'at least one input is needed')
  return steps
}

function slices(batches: Readonly<Record<string, Tensor>>, start: number, count: number): Record<string, Tensor> {
  return mapValues(batches, ({ dtype, dims, data }) => {
    const size = elements(dims.slice(1))
    return { dtype, dims: [count, ...dims.slice(1)], data: data.subarray(start * size, (start + count) * size) }
  })
}

const mapValues = <T, U>(record: Readonly<Record<string, T>>, map: (value: T, name: string) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]))

const prefixed = <T>(prefix: string, record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [prefix + name, value]))
