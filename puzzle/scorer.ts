import { Forward, Head, replaceBlocks, type Comparison, type Model } from '../model/index.js'
import { slots, type ArtifactRef, type Slot, type TaskContext, type Weights } from '../api/index.js'
import type { Filling } from './library.js'
import { HiddenStates } from './hidden-states.js'
import { readSequences, type Sequences } from '../data/sequences.js'
import { throughLayers } from './through-layers.js'
import { Warm } from './warm.js'

/** Held-out text from `capture`: hidden states before a layer, and after the last one. */
interface Held extends Sequences {
  readonly input: HiddenStates
  readonly final: Float32Array
}

/** Artifacts of held-out text: hidden states before the layer and after the last one, and the tokens. */
export interface HeldInputs {
  readonly input: ArtifactRef
  readonly final: ArtifactRef
  readonly tokens: ArtifactRef
}

/** Compares the parent with a copy in which one layer is changed. Only the layers from that one on are computed. */
export class Scorer {
  private constructor(
    private readonly model: Model,
    private readonly layer: number,
    private readonly held: Held,
    private readonly forward: Forward,
    private readonly head: Head,
  ) {}

  /** Opens a scorer. It reuses sessions, and states that other tasks of this process have read. */
  static async open(
    context: Pick<TaskContext<{ params: object; inputs: HeldInputs }>, 'open' | 'task' | 'threads' | 'inputDigests'>,
    model: Model,
    { layer, sequences, batch }: { readonly layer: number; readonly sequences: number; readonly batch: number },
  ): Promise<Scorer> {
    const { task, threads, inputDigests } = context
    const { input, final, tokens } = task.inputs
    const text = await readSequences(context, tokens, sequences)
    const { count, length } = text
    const size = Math.min(batch, count)
    const states = (ref: ArtifactRef) =>
      layerStates.get(ref.digest, async () => HiddenStates.read(await context.open(ref)))
    const end = await finalStates.get(`${final.digest} ${count}`, async () =>
      (await states(final)).rows(0, count * length),
    )
    const of = `${inputDigests.model} ${threads}`
    const forward = await forwards.get(`${of} ${size} ${length}`, async () => new Forward(size, length, threads))
    const head = await heads.get(of, () => Head.create(model, threads))
    return new Scorer(model, layer, { ...text, input: await states(input), final: end }, forward, head)
  }

  /** The parent with these fillings. */
  view(
    fillings: Readonly<Record<Slot, Filling>> & { readonly span?: number },
    weights: Readonly<Record<Slot, Weights>>,
  ): Model {
    const behind = Array.from({ length: (fillings.span ?? 1) - 1 }, (_, i) => this.layer + 1 + i)
    return replaceBlocks(this.model, [
      ...slots.map((slot) => ({ ...fillings[slot], weights: weights[slot] })),
      ...behind.flatMap((layer) => slots.map((slot) => ({ layer, slot, block: 'no-op', params: {}, weights: {} }))),
    ])
  }

  async measure(
    fillings: Readonly<Record<Slot, Filling>> & { readonly span?: number },
    weights: Readonly<Record<Slot, Weights>>,
  ): Promise<Comparison> {
    const { held, model, layer, forward } = this
    const view = this.view(fillings, weights)
    const rows = (start: number, count: number) => held.input.rows(start, count)
    const out = await throughLayers(forward, view, held, rows, layer, model.config.layers)
    return this.head.compare(held.final, out, held.ids, held.mask, held.length)
  }
}

// A process runs the tasks of one layer in succession. They share everything but the block that is scored.
const layerStates = new Warm<HiddenStates>(3)
const finalStates = new Warm<Float32Array>(1)
const forwards = new Warm<Forward>(1, (forward) => forward.release())
const heads = new Warm<Head>(1, (head) => head.release())
