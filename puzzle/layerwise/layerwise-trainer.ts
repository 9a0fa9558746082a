import { slots, type Slot } from '../../api/index.js'
import { embed, slotShapes } from '../../model/index.js'
import { NonFiniteError } from '../../tensor/index.js'
import { AdamWSession } from '../../tensor/adamw-session.js'
import { joined } from '../../tensor/rows.js'
import { Spool } from '../../tensor/spool.js'
import type { StoredParameters, StoredPart, StoredStep } from '../../tensor/stored-parameters.js'
import { layerName } from '../layer-name.js'
import { uptrainLosses, usualLosses, type UptrainLoss } from '../uptrain-params.js'
import type { Uptraining } from '../uptraining-plan.js'
import { sequencesAtOnce, type Bounds } from './bounds.js'
import { CosinePass } from './cosine-pass.js'
import { HeadPasses, type HeadWeights, type Judged } from './head-passes.js'
import { ParentStates } from './parent-states.js'
import { SlotPasses } from './slot-passes.js'

/** What a step came to: the loss, and each of its terms that was computed. */
export type StepRecord = Readonly<{ loss: number; kl: number; cosine: number; lm?: number }>

/** A slot of the child that has weights. */
interface SlotPart extends StoredPart {
  readonly layer: number
  readonly slot: Slot
}

/** What is trained of a child: each slot that has weights, first layer first, and the last norm. */
export function partsOf({ child, params }: Pick<Uptraining, 'child' | 'params'>): {
  readonly slotParts: readonly SlotPart[]
  /** Absent if it is frozen. */
  readonly normPart?: StoredPart
} {
  const { config, blocks } = child
  const slotParts = config.blocks.flatMap((_, layer) =>
    slots.flatMap((slot): SlotPart[] => {
      const shapes = slotShapes(config, layer, slot, blocks)
      return Object.keys(shapes).length === 0 ? [] : [{ name: `${layerName(layer)}-${slot}`, layer, slot, shapes }]
    }),
  )
  return { slotParts, ...(!params.freezeNorm && { normPart: { name: 'norm', shapes: { norm: [config.hidden] } } }) }
}

/**
 * Trains a child step by step with one slot of parent and child in memory at a time: forwards beside the parent, then through the
 * head, then backwards, each slot's forward pass computed again. Gradients wait until their global norm is known. Its numbers
 * are those of the whole graph, to the rounding of sums.
 */
export class LayerwiseTrainer {
  private readonly losses: ReadonlySet<UptrainLoss>
  private readonly parts: ReturnType<typeof partsOf>

  private constructor(
    private readonly training: Uptraining,
    private readonly stored: StoredParameters,
    private readonly passes: SlotPasses,
    private readonly parentPasses: SlotPasses,
    private readonly parentStates: ParentStates,
    private readonly cosine: CosinePass,
    private readonly head: HeadPasses,
    private readonly optimiser: AdamWSession,
    private readonly spool: Spool,
  ) {
    this.losses = new Set(training.params.losses ?? usualLosses)
    this.parts = partsOf(training)
  }

  /**
   * @param folder      an empty one for what a step does not keep in memory
   * @param statesPath  of a file for the parent's states; undefined: they are computed in each step
   */
  static async create(
    training: Uptraining,
    stored: StoredParameters,
    {
      threads,
      folder,
      bounds,
      statesPath,
    }: {
      readonly threads: number
      readonly folder: string
      readonly bounds: Bounds
      readonly statesPath?: string
    },
  ): Promise<LayerwiseTrainer> {
    const { parent, child, plan } = training
    const { length } = plan.text
    const sequences = sequencesAtOnce([parent, child], plan.batch, length, bounds)
    const passes = { sequences, length, threads }
    const parentPasses = new SlotPasses({ ...passes, rounds: false })
    return new LayerwiseTrainer(
      training,
      stored,
      new SlotPasses({ ...passes, rounds: true }),
      parentPasses,
      await ParentStates.open(parent, parentPasses, length, statesPath),
      await CosinePass.create(sequences * length, child.config.hidden, threads),
      new HeadPasses(parent, child, Math.min(bounds.headRows, plan.batch * length), threads),
      await AdamWSession.create(plan.optimiser, threads),
      new Spool(folder, bounds.spool),
    )
  }

  /**
   * Trains one step.
   *
   * @param at      called before each layer with the share of the step that is done; may throw to end it
   * @param record  keeps what the step came to, and what finds its weights again
   * @throws NonFiniteError if the loss or a gradient is not finite
   */
  async step(
    at: (share: number, what: string) => void,
    record: (stored: StoredStep, own: StepRecord) => Promise<void>,
  ): Promise<void> {
    const { step } = this.stored
    const { ids, mask, sample } = this.training.plan.batches(step, 1)
    const [tokens, real] = [ids.data as Int32Array, mask.data as Float32Array]
    const forward = await this.forward(tokens, real, at)
    const judged = await this.judge(forward, tokens, real, sample?.data as Int32Array | undefined)
    const terms = { cosine: forward.cosine, ...judged.terms }
    const loss = uptrainLosses.reduce((n, name) => n + (this.losses.has(name) ? terms[name]! : 0), 0)
    if (!Number.isFinite(loss)) throw new NonFiniteError(step, 'loss', loss)
    const norm = Math.sqrt(await this.backward(judged.gradient, judged.normGradient, at))
    if (!Number.isFinite(norm)) throw new NonFiniteError(step, 'gradient', norm)
    await this.stored.update(
      this.optimiser,
      norm,
      ({ name }, work) => this.spool.use(gradientOf(name), (read) => work(read)),
      (stored) => record(stored, { loss, ...terms }),
    )
  }

  /** Goes through all layers of parent and child, and keeps the inputs of the child's slots and the gradients of the cosine. */
  private async forward(ids: Int32Array, mask: Float32Array, at: (share: number, what: string) => void) {
    const { child, parent, plan, skipped } = this.training
    const { layers } = child.config
    const share = 1 / mask.reduce((n, own) => n + own, 0)
    const weights = mask.map((own) => own * share)
    const first = embed(await parent.embedding(), child.config, ids)
    let [hidden, taught, cosine, layer] = [first, first, 0, 0]
    for await (const states of this.parentStates.ofLayers(plan.sequencesOf(this.stored.step), first)) {
      taught = states
      at((layer / layers) * 0.4, `layer ${layer} forwards`)
      for (const part of this.slotsOf(layer)) {
        await this.spool.put(inputOf(part), hidden)
        hidden = await this.passes.forward(child, layer, part.slot, await this.stored.parameters(part), hidden)
      }
      if (!skipped.has(layer)) {
        const { distance, gradient } = await this.cosine.run(taught, hidden, weights)
        cosine += distance
        if (this.losses.has('cosine')) await this.spool.put(distanceOf(layer), gradient)
      }
      layer++
    }
    return { hidden, taught, cosine }
  }

  /** Judges the predictions. @returns the terms, and the gradients of those that count */
  private async judge(
    { hidden, taught }: { readonly hidden: Float32Array; readonly taught: Float32Array },
    ids: Int32Array,
    mask: Float32Array,
    sample: Int32Array | undefined,
  ) {
    const { parent, child, plan } = this.training
    const { normPart } = this.parts
    const norm = normPart ? (await this.stored.parameters(normPart)).norm!.data : await child.norm()
    const weights: HeadWeights = { norm, parentNorm: await parent.norm(), head: await parent.head() }
    const positions = sample ?? Int32Array.from(mask.keys())
    const compared = judgedAt(positions.filter((i) => mask[i] === 1))
    const kl = await this.head.kl(compared, taught, hidden, weights, this.losses.has('kl'))
    const { length } = plan.text
    const hasNext = (i: number) => (i + 1) % length !== 0 && mask[i + 1] === 1
    const followed = () => judgedAt(Int32Array.from(mask.keys()).filter(hasNext))
    const lm = this.losses.has('lm') ? await this.head.lm(followed(), shifted(ids), hidden, weights, true) : undefined
    return {
      terms: { kl: kl.loss, ...(lm && { lm: lm.loss }) },
      gradient: added(kl.hidden, lm?.hidden) ?? new Float32Array(hidden.length),
      normGradient: added(kl.norm, lm?.norm) ?? new Float32Array(norm.length),
    }
  }

  /** Goes back through all layers, and keeps the gradients of weights.
   *  @returns the sum of their squares */
  private async backward(
    dy: Float32Array,
    normGradient: Float32Array,
    at: (share: number, what: string) => void,
  ): Promise<number> {
    const { child, skipped } = this.training
    const { layers } = child.config
    let squares = 0
    const { normPart } = this.parts
    const keep = async (part: StoredPart, gradient: Float32Array) => {
      squares += sumOfSquares(gradient)
      await this.spool.put(gradientOf(part.name), gradient)
    }
    if (normPart) await keep(normPart, normGradient)
    for (let layer = layers - 1; layer >= 0; layer--) {
      at(0.4 + (1 - (layer + 1) / layers) * 0.5, `layer ${layer} backwards`)
      if (this.losses.has('cosine') && !skipped.has(layer)) dy = added(dy, await this.spool.take(distanceOf(layer)))!
      for (const part of this.slotsOf(layer).reverse()) {
        const x = await this.spool.take(inputOf(part))
        const own = await this.stored.parameters(part)
        const { input, weights } = await this.passes.backward(child, layer, part.slot, own, x, dy)
        await keep(part, joined(Object.keys(part.shapes).map((name) => weights[name]!)))
        dy = input
      }
    }
    at(0.9, 'weights')
    return squares
  }

  private readonly slotsOf = (layer: number): SlotPart[] => this.parts.slotParts.filter((part) => part.layer === layer)

  /** Frees native memory. */
  async release(): Promise<void> {
    const { passes, parentPasses, cosine, head, optimiser } = this
    for (const own of [passes, parentPasses, cosine, head, optimiser]) await own.release()
    await this.parentStates.close()
  }
}

const inputOf = ({ name }: StoredPart) => `${name}.input`
const gradientOf = (part: string) => `${part}.gradient`
const distanceOf = (layer: number) => `${layerName(layer)}.distance`

const judgedAt = (positions: Int32Array): Judged => ({ positions, weight: 1 / Math.max(1, positions.length) })

/** The token after each. */
const shifted = (ids: Int32Array): Int32Array => Int32Array.from(ids, (_, i) => ids[i + 1] ?? 0)

function sumOfSquares(values: Float32Array): number {
  let total = 0
  for (const value of values) total += value * value
  return total
}

/** Adds up those that are there, in the first. */
function added(a: Float32Array | undefined, b: Float32Array | undefined): Float32Array | undefined {
  if (a && b) for (let i = 0; i < a.length; i++) a[i]! += b[i]!
  return a ?? b
}
