import * as ort from './engine.js'
import type { Graph } from './graph.js'
import type { DType, Tensor, TypedArray } from './types.js'

/** How to run a model. */
export interface SessionOptions {
  /** Threads within an operator. @default 1 */
  readonly threads?: number
  /** Whether onnxruntime rearranges constant weights for speed, which costs a copy of them. @default true */
  readonly prepacking?: boolean
  /** Whether onnxruntime keeps memory between runs, for speed. @default true */
  readonly keepsMemory?: boolean
  /** Level of graph optimisation. It affects the last bits of results. @default 'all' */
  readonly optimisation?: 'disabled' | 'basic' | 'extended' | 'all'
  /** Path prefix of a profile of the operators. @default no profile */
  readonly profile?: string
}

/** A model that is ready to run. A run blocks the thread and cannot be interrupted. */
export class Session {
  private constructor(private readonly session: ort.InferenceSession) {}

  /**
   * Loads a model.
   *
   * @param model  a graph, an ONNX model's bytes, or the path of an ONNX file (with any external weights next to it)
   * @throws Error of onnxruntime if it rejects the model
   */
  static async create(model: Graph | Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const settings: ort.InferenceSession.SessionOptions = {
      intraOpNumThreads: options.threads ?? 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: options.optimisation ?? 'all',
      logSeverityLevel: 3,
      ...(options.keepsMemory === false && { enableCpuMemArena: false }),
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

  /** Names of the inputs. */
  get inputNames(): readonly string[] {
    return this.session.inputNames
  }

  /** Names of the outputs. */
  get outputNames(): readonly string[] {
    return this.session.outputNames
  }

  /** Shape of an input or output; a size known only at run time is a name. Undefined if the model does not have the tensor. */
  shapeOf(name: string): readonly (number | string)[] | undefined {
    const tensors = [...this.session.inputMetadata, ...this.session.outputMetadata]
    const metadata = tensors.find((tensor) => tensor.name === name)
    return metadata?.isTensor ? metadata.shape : undefined
  }

  /**
   * Runs the model. Inputs are not copied: do not modify them before the run has ended.
   *
   * @param feeds  every input by name
   * @returns every output by name
   * @throws Error of onnxruntime if an input is missing or has the wrong type or shape
   */
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

  /** Ends profiling and writes the file (option `profile`). */
  endProfiling(): void {
    this.session.endProfiling()
  }

  /** Frees native memory. The session cannot be used afterwards. */
  async release(): Promise<void> {
    await this.session.release()
  }
}
