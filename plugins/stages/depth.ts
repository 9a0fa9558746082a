import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Forward, Head, replaceBlocks, type Model } from '../../model/index.js'
import {
  Failure,
  slots,
  type ArtifactRef,
  type FanOutStage,
  type Files,
  type Outputs,
  type TaskContext,
} from '../../api/index.js'
import { captured, hiddenName, tokensName } from '../../puzzle/captured.js'
import { openBase } from '../../puzzle/base.js'
import type { BaseOutputs, CaptureOutputs, DepthOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput, Space, SpaceInput } from '../../puzzle/inputs.js'
import type { DepthStep } from '../../puzzle/depth-step.js'
import { headFlops, layersFlops } from '../../puzzle/estimates/flops.js'
import { capturedOf, expectedReading } from '../../puzzle/estimates/reading.js'
import { blocksOf, openParent } from '../../puzzle/parent.js'
import { HiddenStates } from '../../puzzle/hidden-states.js'
import { readSequences } from '../../data/sequences.js'
import { batch, ofSequences } from '../../puzzle/parameters.js'

interface DepthParams {
  readonly maximum: number
  readonly sequences: number
  readonly batch: number
}

interface DepthTask {
  readonly params: Omit<DepthParams, 'maximum'> & { readonly rounds: number }
  /** Hidden states before each layer for held-out text, and its tokens. */
  readonly inputs: Files & { readonly tokens: ArtifactRef; readonly base?: BaseOutputs['files']['base'] }
  readonly outputs: Outputs<{ readonly order: readonly DepthStep[] }, object>
}

/**
 * Removes whole layers one by one: each time, the layer whose removal, on top of the earlier ones, changes the parent's
 * predictions on held-out text least. Scores of single removals do not add up: two layers may each be dispensable only as long
 * as the other is present.
 *
 * @source Muralidharan et al. 2024, arXiv 2407.14679, for depth; each removal measured after the earlier ones as in
 *         Nemotron Elastic, arXiv 2511.16664
 */
export const depth: FanOutStage<
  DepthParams,
  { readonly capture: CaptureOutputs; readonly base?: BaseOutputs },
  DepthOutputs,
  DepthTask,
  ModelInput & SpaceInput
> = {
  name: 'depth',
  // 2: as `score` 4.
  version: 2,
  about: { summary: 'Removes whole layers one by one, each measured on top of the earlier removals.' },
  reads: ['model', 'space'],
  taskReads: ['model'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      maximum: {
        quantity: 'fraction',
        default: 0.25,
        description: 'Maximum share of the layers to remove; at least one layer.',
      },
      sequences: {
        type: 'integer',
        minimum: 1,
        ...ofSequences,
        default: 64,
        description: 'How many of the captured held-out sequences to use.',
      },
      batch: batch(16, 'Sequences per forward pass: more take more memory and less time.'),
    },
  },

  async resources({ params, ...context }) {
    const model = await openParent(context)
    const read = await expectedReading(context, model)
    if (!dropsLayers(context.spec.space)) return { tasks: 0, work: {} }
    const rounds = roundsOf(model, params)
    if (!read || rounds < 1) return { tasks: Math.min(1, rounds) }
    const positions = Math.min(params.sequences, capturedOf(context.stages.capture, read).validate) * read.length
    const each = positions * (layersFlops(model, read.length) + 2 * headFlops(model))
    return { tasks: 1, work: { forward: rounds * model.config.layers * each } }
  },

  /** Plans one task, or none if `space.runs` removes no single layers. */
  async plan(context) {
    const { spec, params, stages } = context
    if (!dropsLayers(spec.space)) return []
    const base = stages.base?.files.base
    const model = await openBase(context, base)
    const { layers } = model.config
    const { files } = stages.capture
    const states = Array.from({ length: layers + 1 }, (_, n) => hiddenName('validate', n))
    const rounds = roundsOf(model, params)
    if (rounds < 1) return []
    return [
      {
        id: 'depth',
        label: `${rounds} of ${layers} layers removed one by one`,
        params: { rounds, sequences: params.sequences, batch: params.batch },
        inputs: {
          ...Object.fromEntries(states.map((name) => [name, captured(files, name)])),
          tokens: captured(files, tokensName('validate')),
          ...(base && { base }),
        },
        blocks: blocksOf(model),
      },
    ]
  },

  async run(context) {
    const { rounds } = context.task.params
    const model = await openBase(context, context.task.inputs.base)
    const measure = await Removal.open(context, model)
    const kept = join(context.checkpoint, 'rounds.json')
    const { order, alone } = await readRounds(kept)
    try {
      while (order.length < rounds) {
        const removed = order.map(({ layer }) => layer)
        const left = layersWithBlocks(model).filter((n) => !removed.includes(n))
        let best: { layer: number; kl: number } | undefined
        for (const [n, layer] of left.entries()) {
          context.signal.throwIfAborted()
          context.progress((order.length + n / left.length) / rounds, `round ${order.length + 1}: layer ${layer}`)
          const kl = await measure.without([...removed, layer])
          if (!Number.isFinite(kl))
            throw new Failure(
              'NonFinite',
              `the KL without the layers ${[...removed, layer].join(', ')} is not finite`,
              {
                remedy: 'Remove `drop` from `space.runs`, or check the weights for extreme values.',
              },
            )
          if (removed.length === 0) alone[layer] = kl
          if (!best || kl < best.kl) best = { layer, kl }
        }
        order.push({ layer: best!.layer, cumulative: best!.kl, alone: alone[best!.layer]! })
        await writeRounds(kept, { order, alone })
      }
    } finally {
      await measure.release()
    }
    return { values: { order }, files: {} }
  },

  /** Returns the order, and compares sums of single removals with the measured KL. */
  async gather(context) {
    const order = context.tasks[0]?.outputs.values.order ?? []
    const evidence = order.map(({ cumulative }, k) => ({
      removed: k + 1,
      measured: cumulative,
      additive: order.slice(0, k + 1).reduce((sum, { alone }) => sum + alone, 0),
    }))
    return {
      values: { removed: order.map(({ layer }) => layer), evidence },
      files: order.length === 0 ? {} : { depth: await context.put('depth', order) },
    }
  },
}

type Context = TaskContext<DepthTask, ModelInput & SpaceInput>

/** How many layers are removed: at least one stays. */
const roundsOf = (model: Model, { maximum }: Pick<DepthParams, 'maximum'>): number =>
  Math.min(layersWithBlocks(model).length - 1, Math.max(1, Math.floor(maximum * model.config.layers)))

/** Layers that are not empty. In a parent that is itself a child, some may have been removed already. */
const layersWithBlocks = ({ config, blocks }: Model): number[] =>
  config.blocks.flatMap(({ attention, ffn }, layer) =>
    blocks.get('attention', attention.block).empty && blocks.get('ffn', ffn.block).empty ? [] : [layer],
  )

/** Whether a space contains removals of single layers. */
function dropsLayers({ runs = [] }: Space): boolean {
  return runs.some(({ run, span = 1 }) => run === 'drop' && [span].flat().includes(1))
}

/** Measures the parent without some of its layers on held-out text. Only the layers from the first removed one on are computed. */
class Removal {
  private constructor(
    private readonly context: Context,
    private readonly model: Model,
    private readonly text: Awaited<ReturnType<typeof readSequences>>,
    private readonly final: Float32Array,
    private readonly forward: Forward,
    private readonly head: Head,
  ) {}

  static async open(context: Context, model: Model): Promise<Removal> {
    const { sequences, batch } = context.task.params
    const text = await readSequences(context, context.task.inputs.tokens, sequences)
    const forward = new Forward(Math.min(batch, text.count), text.length, context.threads)
    const final = (await states(context, model.config.layers)).rows(0, text.count * text.length)
    return new Removal(context, model, text, final, forward, await Head.create(model, context.threads))
  }

  async without(layers: readonly number[]): Promise<number> {
    const { model, text, forward, final } = this
    const view = replaceBlocks(
      model,
      layers.flatMap((layer) => slots.map((slot) => ({ layer, slot, block: 'no-op', params: {}, weights: {} }))),
    )
    const first = Math.min(...layers)
    const input = await states(this.context, first)
    const out = new Float32Array(final.length)
    const { hidden, layers: end } = model.config
    for (let at = 0; at < text.count; at += forward.batch) {
      const start = Math.min(at, text.count - forward.batch) * text.length
      const rows = input.rows(start, forward.batch * text.length)
      out.set(await forward.layers(view, rows, first, end), start * hidden)
    }
    const { kl, tokens } = await this.head.compare(final, out, text.ids, text.mask, text.length)
    return kl / tokens
  }

  async release(): Promise<void> {
    await this.forward.release()
    await this.head.release()
  }
}

const states = async (context: Context, layer: number) =>
  HiddenStates.read(await context.open(captured(context.task.inputs, hiddenName('validate', layer))))

/** Completed rounds, and the effect of removing each layer alone. */
interface Rounds {
  readonly order: DepthStep[]
  readonly alone: (number | null)[]
}

/** Reads the rounds of an earlier attempt. Unreadable ones are computed again. */
async function readRounds(path: string): Promise<Rounds> {
  if (!existsSync(path)) return { order: [], alone: [] }
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Rounds
  } catch {
    return { order: [], alone: [] }
  }
}

async function writeRounds(path: string, rounds: Rounds): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(`${path}.${process.pid}.tmp`, JSON.stringify(rounds))
  await rename(`${path}.${process.pid}.tmp`, path)
}
