import { join } from 'node:path'
import * as ort from '../../tensor/engine.js'
import type { OnnxDescription } from '../../model/onnx/interface.js'
import { readFileSync } from 'node:fs'

/** What is used of onnxruntime; the packages for Node and for browsers are alike in it. */
export interface Runtime {
  readonly Tensor: typeof ort.Tensor
  readonly InferenceSession: { create(path: string, options?: object): Promise<ort.InferenceSession> }
}

export const describedIn = (folder: string): OnnxDescription =>
  (JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { puzzleflow: { onnx: OnnxDescription } })
    .puzzleflow.onnx

/** An exported graph with its state, used as its description says. */
export class Exported {
  private state: Record<string, ort.Tensor> = {}
  private mask: number[][] = []

  private constructor(
    private readonly runtime: Runtime,
    private readonly session: ort.InferenceSession,
    private readonly about: OnnxDescription,
  ) {}

  static async open(folder: string, runtime: Runtime = ort): Promise<Exported> {
    const about = describedIn(folder)
    const session = await runtime.InferenceSession.create(join(folder, about.file), { logSeverityLevel: 3 })
    return new Exported(runtime, session, about)
  }

  get names(): { readonly inputs: readonly string[]; readonly outputs: readonly string[] } {
    return { inputs: this.session.inputNames, outputs: this.session.outputNames }
  }

  /** Forgets all tokens. */
  reset(batch: number): void {
    this.mask = Array.from({ length: batch }, () => [])
    this.state = Object.fromEntries(
      this.about.states.map(({ input, shape }) => {
        const dims = shape.map((d) => (d === 'batch_size' ? batch : typeof d === 'number' ? d : 0))
        const size = dims.reduce((n, d) => n * d, 1)
        return [input, new this.runtime.Tensor('float32', new Float32Array(size), dims)]
      }),
    )
  }

  /** Reads a chunk of each sequence. @param mask  1 for text, 0 for padding; default all text
   *  @returns logits of all its tokens, [sequence][token] */
  async read(
    ids: readonly (readonly number[])[],
    mask = ids.map((row) => row.map(() => 1)),
  ): Promise<Float32Array[][]> {
    const length = ids[0]!.length
    this.mask = this.mask.map((row, i) => [...row, ...mask[i]!])
    const ints = (rows: readonly (readonly number[])[]) =>
      new this.runtime.Tensor('int64', BigInt64Array.from(rows.flat().map(BigInt)), [rows.length, rows[0]!.length])
    const out = await this.session.run({ ...this.state, input_ids: ints(ids), attention_mask: ints(this.mask) })
    for (const { input, output } of this.about.states) this.state[input] = out[output]!
    const { data, dims } = out.logits!
    if (dims.join() !== [ids.length, length, dims[2]].join()) throw new Error(`logits are [${dims.join(', ')}]`)
    const vocabulary = dims[2]!
    return ids.map((_, row) =>
      Array.from({ length }, (_, t) => {
        const at = (row * length + t) * vocabulary
        return (data as Float32Array).slice(at, at + vocabulary)
      }),
    )
  }

  /** Shapes of the state. */
  get shapes(): Record<string, readonly number[]> {
    return Object.fromEntries(Object.entries(this.state).map(([name, { dims }]) => [name, dims]))
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}
