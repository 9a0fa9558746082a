import { embed, Forward, type Model } from '../../model/index.js'
import { Graph, Session } from '../../tensor/index.js'
import { Failure, type ArtifactRef, type SingleStage } from '../api/index.js'
import { join } from 'node:path'
import { layerName } from './library.js'
import { HiddenStates, openParent, putSequences, readSequences } from './sequences.js'

interface CaptureParams {
  readonly sequences: number
  readonly validateSequences: number
  readonly maxBytes: number
  readonly batch: number
}

/**
 * One pass of the parent over calibration text. Keeps, as 16-bit floats, what enters every layer (`hiddenNN`), stands
 * between its slots (`midNN`) and leaves the last one, of training text and (`validate-…`) of held-out text, with the
 * tokens themselves (`tokens`); and how much each FFN channel contributes (Puzzle, appendix A).
 */
export const capture: SingleStage<CaptureParams> = {
  name: 'capture',
  version: 2,
  reads: ['model'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      sequences: {
        type: 'integer',
        minimum: 1,
        default: 512,
        description: 'Training sequences, if the budget allows.',
      },
      validateSequences: { type: 'integer', minimum: 1, default: 96 },
      maxBytes: { quantity: 'bytes', default: 4294967296, description: 'Budget of what is stored.' },
      batch: { type: 'integer', minimum: 1, default: 16, description: 'Sequences at a time.' },
    },
  },

  async run(context) {
    const { params, stages } = context
    const model = await openParent(context)
    const { layers, hidden } = model.config
    const perSequence = (length: number) => (2 * layers + 1) * length * (2 * hidden + 4)
    const validate = await readSequences(context, stages.prepare!.files.validate!, params.validateSequences)
    const left = params.maxBytes - validate.count * perSequence(validate.length)
    const affordable = Math.floor(left / perSequence(validate.length))
    if (affordable < 1)
      throw new Failure(
        'InvalidInput',
        `capture.maxBytes ${params.maxBytes} does not hold one sequence of every layer`,
        {
          remedy: `Give at least ${(validate.count + 1) * perSequence(validate.length)} bytes, or capture fewer validateSequences.`,
        },
      )
    const train = await readSequences(context, stages.prepare!.files.train!, Math.min(params.sequences, affordable))

    const files: Record<string, ArtifactRef> = {}
    const total = { error: 0, power: 0 }
    const statistics: Record<string, number[]> = {}
    const sets = { '': train, 'validate-': validate }
    for (const [prefix, sequences] of Object.entries(sets)) {
      const { count, length, ids, mask } = sequences
      files[`${prefix}tokens`] = await putSequences(context, join(context.scratch, 'tokens'), sequences)
      const batch = Math.min(params.batch, count)
      const forward = new Forward(batch, length, context.threads)
      const contributions =
        prefix === '' ? await Contributions.create(model, batch * length, context.threads) : undefined
      // Layer by layer over all sequences: only two boundaries are in memory, whatever the depth.
      const embedding = await model.embedding()
      let inputs = HiddenStates.empty(count * length, hidden)
      let exact: Float32Array[] = []
      const chunks = Array.from({ length: Math.ceil(count / batch) }, (_, i) => Math.min(i * batch, count - batch))
      for (const first of chunks)
        exact.push(embed(embedding, hidden, ids.subarray(first * length, (first + batch) * length)))
      const keep = (states: HiddenStates, what: string) => {
        for (const [i, first] of chunks.entries()) {
          const { error, power } = states.set(first * length, exact[i]!, what)
          total.error += error
          total.power += power
        }
      }
      keep(inputs, 'Embeddings')
      files[`${prefix}hidden${layerName(0).slice(5)}`] = await inputs.put(context, context.scratch, 'states')
      for (let layer = 0; layer < layers; layer++) {
        for (const slot of ['attention', 'ffn'] as const) {
          const next: Float32Array[] = []
          for (const [i, first] of chunks.entries()) {
            if (slot === 'ffn')
              await contributions?.add(layer, exact[i]!, mask.subarray(first * length, (first + batch) * length))
            next.push(await forward.slot(model, layer, slot, exact[i]!))
          }
          exact = next
          inputs = HiddenStates.empty(count * length, hidden)
          keep(inputs, `Hidden states after the ${slot} of layer ${layer}`)
          const name =
            slot === 'attention' ? `mid${layerName(layer).slice(5)}` : `hidden${layerName(layer + 1).slice(5)}`
          files[prefix + name] = await inputs.put(context, context.scratch, 'states')
        }
        context.progress((layer + 1) / layers, `${prefix}layer ${layer + 1} of ${layers}`)
        if (contributions) statistics[layerName(layer)] = Array.from(await contributions.result(layer))
      }
      await forward.release()
      await contributions?.release()
    }
    files.statistics = await context.put('statistics', statistics)
    const bytes = Object.values(files).reduce((n, ref) => n + ref.bytes, 0)
    return {
      values: {
        sequences: train.count,
        validateSequences: validate.count,
        length: train.length,
        bytes,
        float16Error: total.error / total.power,
      },
      files,
    }
  },
}

/** Sums of |activation| per FFN channel. */
class Contributions {
  private sums: Float64Array | undefined
  private tokens = 0

  private constructor(
    private readonly model: Model,
    private readonly session: Session | undefined,
    private readonly rows: number,
  ) {}

  static async create(model: Model, rows: number, threads: number): Promise<Contributions> {
    const { hidden, intermediate, normEps, mlpBias } = model.config
    if (model.config.blocks.some(({ ffn }) => ffn.block !== 'swiglu')) return new Contributions(model, undefined, rows)
    const g = new Graph()
    const x = g.input('x', 'float32', [rows, hidden])
    const mask = g.input('mask', 'float32', [rows])
    const n = g.rmsNorm(x, g.input('norm', 'float32', [hidden]), normEps)
    const linear = (name: string) => {
      const y = g.gemm(n, g.input(name, 'float32', [hidden, intermediate]))
      return mlpBias ? g.add(y, g.input(`${name}.bias`, 'float32', [intermediate])) : y
    }
    const activation = g.mul(g.silu(linear('gate')), linear('up'))
    g.output('sum', g.sum(g.mul(g.abs(activation), g.unsqueeze(mask, 1)), [0]))
    return new Contributions(model, await Session.create(g, { threads }), rows)
  }

  async add(layer: number, x: Float32Array, mask: Float32Array): Promise<void> {
    if (!this.session) return
    const weights = await this.model.weights(layer, 'ffn')
    const names = ['norm', 'gate', 'up', 'gate.bias', 'up.bias'].filter((name) => weights[name])
    const feeds = names.map((name) => [
      name,
      { dtype: 'float32' as const, dims: weights[name]!.shape, data: weights[name]!.data },
    ])
    const out = await this.session.run({
      ...(Object.fromEntries(feeds) as Record<string, never>),
      x: { dtype: 'float32', dims: [this.rows, this.model.config.hidden], data: x },
      mask: { dtype: 'float32', dims: [this.rows], data: mask },
    })
    const sum = out.sum!.data as Float32Array
    this.sums ??= new Float64Array(sum.length)
    sum.forEach((value, i) => (this.sums![i]! += value))
    this.tokens += mask.reduce((a, b) => a + b, 0)
  }

  /** Mean |activation| times the norm of the channel's row of W_down; starts anew. */
  async result(layer: number): Promise<Float32Array> {
    if (!this.sums) return new Float32Array(0)
    const { data, shape } = (await this.model.weights(layer, 'ffn')).down!
    const columns = shape[1]!
    const out = Float32Array.from(this.sums, (sum, i) => {
      const row = data.subarray(i * columns, (i + 1) * columns)
      return (sum / this.tokens) * Math.sqrt(row.reduce((n, w) => n + w * w, 0))
    })
    this.sums = undefined
    this.tokens = 0
    return out
  }

  async release(): Promise<void> {
    await this.session?.release()
  }
}
