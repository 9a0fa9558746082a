import * as ort from './engine.js'
import type { Graph } from './graph.js'
import type { DType, Tensor, TypedArray } from './types.js'

/** How a model is run. */
export interface SessionOptions {
  /** Threads within an operator. Default 1. */
  readonly threads?: number
  /** Rearranging constant weights for speed, at the price of a copy of them. Default true. */
  readonly prepacking?: boolean
  /** Graph optimisation. It changes the last bits of results. Default 'all'. */
  readonly optimisation?: 'disabled' | 'basic' | 'extended' | 'all'
  /** Writes a profile of the operators beside this path. */
  readonly profile?: string
}

/** A model that is ready to run. A run blocks this thread and cannot be interrupted. */
export class Session {
  private constructor(private readonly session: ort.InferenceSession) {}

  /** Makes a session of a graph, of a model's bytes (ONNX), or of a file with one, whose weights may lie beside it. */
  static async create(model: Graph | Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const settings: ort.InferenceSession.SessionOptions = {
      intraOpNumThreads: options.threads ?? 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: options.optimisation ?? 'all',
      logSeverityLevel: 3,
      ...(options.profile && { enableProfiling: true, profileFilePrefix: options.profile }),
      extra: {
        session: {
          ...(options.prepacking === false && { disable_prepacking: '1' }),
          intra_op: { allow_spinning: '0' },
        },
      },
    }
    const made =
      typeof model === 'string'
        ? ort.InferenceSession.create(model, settings)
        : ort.InferenceSession.create(model instanceof Uint8Array ? model : model.bytes(), settings)
    return new Session(await made)
  }

  get inputNames(): readonly string[] {
    return this.session.inputNames
  }
  get outputNames(): readonly string[] {
    return this.session.outputNames
  }

  /** Sizes of an input or output; names are sizes that are known at run time. Undefined where there is no such tensor. */
  shapeOf(name: string): readonly (number | string)[] | undefined {
    const found = [...this.session.inputMetadata, ...this.session.outputMetadata].find((own) => own.name === name)
    return found?.isTensor ? found.shape : undefined
  }

  /** Runs the model. Inputs are not copied: they must not be changed before the run has ended. */
  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const inputs: Record<string, ort.Tensor> = {}
    for (const [name, { dtype, data, dims }] of Object.entries(feeds))
      inputs[name] = new ort.Tensor(dtype as 'float32', data as Float32Array, dims)
    const results = await this.session.run(inputs)
    const outputs: Record<string, Tensor> = {}
    for (const [name, { type, dims, data }] of Object.entries(results))
      outputs[name] = { dtype: type as DType, dims, data: data as TypedArray }
    return outputs
  }

  /** Ends profiling (option `profile`): the file is written. */
  endProfiling(): void {
    this.session.endProfiling()
  }

  /** Frees the memory. The session cannot be used afterwards. */
  async release(): Promise<void> {
    await this.session.release()
  }
}
