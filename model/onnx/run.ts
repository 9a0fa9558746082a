import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../api/index.js'
import { refuseIrregular, refuseLarge } from '../../files/irregular.js'
import { refuseStandIn } from '../../files/stand-in.js'
import { elements, Session, type Tensor } from '../../tensor/index.js'
import type { Prediction, SequenceDecoder } from '../decoder.js'
import { generationEnds } from '../generation-config.js'
import { mostConfigBytes } from '../model-files.js'
import { mostLikely } from '../sampling.js'
import { graphFile } from './file.js'
import { attentionMask, inputIds, type OnnxDescription } from './interface.js'
import { shown } from '../../errors/foreign.js'
import { isFileName } from '../../errors/inner-path.js'

/** Largest number of tokens to read at once: the memory for recurrences grows with its square. */
const longestChunk = 256
/** Largest number of a sequence's logits in memory, unless 16 tokens have more. */
const mostLogits = 2 ** 22
/** Largest number of elements of a state at the start of a text. */
const largestState = 2 ** 28

const notOurs = 'Export the model again: `npx puzzleflow export MODEL --format onnx -o FOLDER`.'

/** Whether a folder contains an ONNX graph, or the description of a missing one, and no checkpoint's weights. */
export function isOnnxFolder(folder: string): boolean {
  const holds = (name: string) => existsSync(join(folder, name))
  if (holds('model.safetensors') || holds('model.safetensors.index.json')) return false
  if (holds(graphFile)) return true
  const config = join(folder, 'config.json')
  refuseIrregular(config)
  refuseLarge(config, mostConfigBytes)
  return holds('config.json') && describesGraph(readFileSync(config, 'utf8'))
}

/** @param text  contents of config.json, perhaps not JSON */
function describesGraph(text: string): boolean {
  try {
    return typeof (JSON.parse(text) as ConfigFields).puzzleflow?.onnx === 'object'
  } catch {
    return false
  }
}

/** A graph that `writeOnnx` wrote, run by onnxruntime. Release it after use. */
export class OnnxModel {
  private constructor(
    /** Path of the exported folder. */
    readonly folder: string,
    /** Fields of its config.json: the size of the vocabulary, the longest context in tokens, and the end tokens. */
    readonly config: {
      readonly vocabulary: number
      readonly maxPositions: number
      readonly eos: readonly number[]
    },
    private readonly session: Session,
    private readonly states: OnnxDescription['states'],
  ) {}

  /** Opens an exported folder.
   *  @param threads  of onnxruntime. @default 1
   *  @throws Failure InvalidInput for a folder that `writeOnnx` did not write, or that is damaged */
  static async open(folder: string, threads = 1): Promise<OnnxModel> {
    const file = join(folder, 'config.json')
    const bad = (message: string, at = file) =>
      new Failure('InvalidInput', `${at} ${message}`, { file: at, remedy: notOurs })
    let fields: ConfigFields
    refuseStandIn(file, mostConfigBytes)
    try {
      fields = JSON.parse(await readFile(file, 'utf8')) as ConfigFields
    } catch (error) {
      throw bad(`cannot be read: ${(error as Error).message}`)
    }
    const about = fields.puzzleflow?.onnx
    if (typeof about !== 'object' || !Array.isArray(about.states)) throw bad('does not describe the graph')
    if (!isFileName(about.file)) throw bad(`names the graph ${shown(about.file)}, which is not in the folder`)
    const maxPositions = fields.max_position_embeddings
    if (!Number.isSafeInteger(maxPositions) || maxPositions! < 1) throw bad('has no "max_position_embeddings"')
    const graph = join(folder, about.file)
    if (!existsSync(graph)) throw bad('is missing', graph)
    for (const path of [graph, `${graph}.data`]) refuseStandIn(path)
    const session = await Session.create(graph, { threads }).catch((error: Error) => {
      throw bad(`cannot be opened: ${error.message}`, graph)
    })
    const vocabulary = session.shapeOf('logits')?.at(-1)
    const problem =
      typeof vocabulary !== 'number' || vocabulary < 1 ? 'has no logits of a vocabulary' : unlike(session, about.states)
    if (problem !== undefined) {
      await session.release()
      throw bad(problem, graph)
    }
    const eos = (await generationEnds(folder)) ?? [fields.eos_token_id].flat().filter((id) => typeof id === 'number')
    return new OnnxModel(
      folder,
      { vocabulary: vocabulary as number, maxPositions: maxPositions!, eos },
      session,
      about.states,
    )
  }

  /** Creates a decoder for `batch` sequences in parallel. Its `release` leaves the model open. */
  decoder(batch: number, wantLogits: boolean): SequenceDecoder {
    let text = this.begin(batch)
    const last = async (ids: Int32Array): Promise<Prediction> => {
      let lastRows: LogitRows | undefined
      for await (const rows of text.read(ids)) lastRows = rows
      const { vocabulary } = this.config
      const { data, count } = lastRows!
      const logits = new Float32Array(batch * vocabulary)
      for (let row = 0; row < batch; row++) {
        const at = ((row + 1) * count - 1) * vocabulary
        logits.set(data.subarray(at, at + vocabulary), row * vocabulary)
      }
      const best = Int32Array.from({ length: batch }, (_, row) =>
        mostLikely(logits.subarray(row * vocabulary, (row + 1) * vocabulary)),
      )
      return { best, ...(wantLogits && { logits }) }
    }
    return {
      prefill: (ids) => {
        text = this.begin(batch)
        return last(ids)
      },
      step: last,
      release: () => Promise.resolve(),
    }
  }

  /** Yields the logits at each position of one sequence, [vocabulary]. */
  async *logits(ids: Int32Array): AsyncGenerator<Float32Array> {
    const { vocabulary } = this.config
    for await (const { data, count } of this.begin(1).read(ids))
      for (let t = 0; t < count; t++) yield data.subarray(t * vocabulary, (t + 1) * vocabulary)
  }

  /** Frees native memory. The model cannot be used afterwards. */
  async release(): Promise<void> {
    await this.session.release()
  }

  private begin(batch: number): Text {
    const chunk = Math.max(16, Math.min(longestChunk, Math.floor(mostLogits / this.config.vocabulary)))
    return new Text(this.session, this.states, batch, chunk)
  }
}

/** The fields of config.json that are read, before they are checked. */
interface ConfigFields {
  readonly max_position_embeddings?: number
  readonly eos_token_id?: number | readonly number[]
  readonly puzzleflow?: { readonly onnx?: OnnxDescription }
}

/** Logits of `count` tokens of each sequence, [batch, count, vocabulary]. */
interface LogitRows {
  readonly data: Float32Array
  readonly count: number
}

/** A batch of sequences and their state, read chunk by chunk. */
class Text {
  private seen = 0
  private state: Record<string, Tensor>

  constructor(
    private readonly session: Session,
    private readonly states: OnnxDescription['states'],
    private readonly batch: number,
    private readonly chunk: number,
  ) {
    this.state = Object.fromEntries(
      states.map(({ input, shape }): [string, Tensor] => {
        const dims = atStart(shape, batch)
        return [input, { dtype: 'float32', dims, data: new Float32Array(elements(dims)) }]
      }),
    )
  }

  /** @param ids  [batch * length] */
  async *read(ids: Int32Array): AsyncGenerator<LogitRows> {
    const { batch, chunk } = this
    const length = ids.length / batch
    for (let start = 0; start < length; start += chunk) {
      const count = Math.min(chunk, length - start)
      const part = new BigInt64Array(batch * count)
      for (let row = 0; row < batch; row++)
        for (let t = 0; t < count; t++) part[row * count + t] = BigInt(ids[row * length + start + t]!)
      this.seen += count
      const out = await this.session.run({
        ...this.state,
        [inputIds.name]: { dtype: 'int64', dims: [batch, count], data: part },
        [attentionMask.name]: {
          dtype: 'int64',
          dims: [batch, this.seen],
          data: new BigInt64Array(batch * this.seen).fill(1n),
        },
      })
      this.state = Object.fromEntries(this.states.map(({ input, output }) => [input, out[output]!]))
      yield { data: out.logits!.data as Float32Array, count }
    }
  }
}

/** Shape of a state before a text: sizes that grow with the text are 0. */
const atStart = (shape: OnnxDescription['states'][number]['shape'], batch: number): number[] =>
  shape.map((d) => (d === 'batch_size' ? batch : typeof d === 'number' ? d : 0))

/** Returns how a graph differs from its description; undefined if it does not. */
function unlike(session: Session, states: OnnxDescription['states']): string | undefined {
  const inputs = new Set<unknown>([inputIds.name, attentionMask.name])
  for (const state of states) {
    const { input, output, shape } = (state ?? {}) as Partial<(typeof states)[number]>
    const inputShape = typeof input === 'string' ? session.shapeOf(input) : undefined
    if (!inputShape || !Array.isArray(shape) || shape.join() !== inputShape.join() || typeof output !== 'string')
      return `has no input ${String(input)} as config.json describes it`
    if (!session.outputNames.includes(output)) return `has no output ${output}`
    if (!(elements(atStart(inputShape, 1)) <= largestState)) return `begins with a state of [${inputShape.join(', ')}]`
    inputs.add(input)
  }
  const other = session.inputNames.find((name) => !inputs.has(name))
  return other === undefined ? undefined : `has the input ${other}, which config.json does not describe`
}
