import { Failure, type Slot, type TaskContext, type Weights } from '../api/index.js'
import { withWeights } from '../api/weights.js'
import { chunksOf, readSequences } from '../data/sequences.js'
import { Forward, layerFacts, replaceBlocks, type Model } from '../model/index.js'
import { HiddenStates } from './hidden-states.js'
import { learned, type Lesson, type LessonInputs, type Pupil } from './lesson.js'
import { leastSquares, NormalEquations } from './least-squares.js'

/**
 * Solves a lesson without training: a block's last matrix is the one that brings the layer's output nearest to the parent's on
 * the lesson's text, by least squares; the weights before it stay as they are. Attention in front of an FFN aims at what the
 * parent's attention leaves. A block type without `lastMatrix`, and one whose output is normalised, keeps its initial weights.
 * @param initial  weights by slot
 */
export async function solveLesson(
  context: Pick<
    TaskContext<{ params: Lesson; inputs: LessonInputs }>,
    'task' | 'open' | 'threads' | 'signal' | 'progress'
  >,
  model: Model,
  initial: Readonly<Record<string, Weights>>,
): Promise<Readonly<Record<string, Weights>>> {
  const { inputs, params: lesson } = context.task
  const { layer, train } = lesson
  const [before, mid, after] = await Promise.all(
    [inputs.input, inputs.mid, inputs.target].map(async (ref) => ref && HiddenStates.read(await context.open(ref))),
  )
  const { count, length, mask } = await readSequences(context, inputs.tokens, lesson.solveOn)
  const batch = Math.min(8, count)
  const forward = new Forward(batch, length, context.threads)
  const solved: Record<string, Weights> = { ...initial }
  const view = (slot: Slot, weights: Weights) => replaceBlocks(model, [replacement(lesson, slot, weights)])
  for (const [n, pupil] of train.entries()) {
    const { slot } = pupil
    const name = model.blocks.get(slot, pupil.block).lastMatrix
    // Only a single layer's attention has a counterpart in the parent.
    const target = slot === 'attention' && inputs.mid ? mid : after
    const first = n > 0 ? train[0]! : undefined
    if (name !== undefined && !(name in initial[slot]!))
      throw new Failure('InvalidInput', `The lastMatrix "${name}" of ${pupil.block} is not one of its weights`, {
        remedy: 'Correct the block type, or train with `distill: { training: gradient }`.',
      })
    if (
      name === undefined ||
      layerFacts(model.config, layer).postNorms ||
      (slot === 'attention' && train.length > 1 && !mid)
    )
      continue
    const probe = new Probe(forward, view, layer, pupil, solved[slot]!, name)
    const equations = await NormalEquations.create(batch * length, probe.features, model.config.hidden, context.threads)
    for (const [i, { first: start, again }] of chunksOf(count, batch).entries()) {
      context.signal.throwIfAborted()
      context.progress((n + i / Math.ceil(count / batch)) / train.length, `${slot}: least squares`)
      let x = before!.rows(start * length, batch * length)
      if (first) x = await forward.slot(view(first.slot, solved[first.slot]!), layer, first.slot, x)
      const { features, rest } = await probe.of(x)
      const wanted = target!.rows(start * length, batch * length)
      const weight = mask.slice(start * length, (start + batch) * length).fill(0, 0, again * length)
      await equations.add(
        features,
        wanted.map((value, k) => value - rest[k]!),
        weight,
      )
    }
    const { shape } = solved[slot]![name]!
    solved[slot] = { ...solved[slot], [name]: { shape, data: leastSquares(equations) } }
    await equations.release()
  }
  await forward.release()
  return learned(model, lesson, solved)
}

const replacement = ({ layer, train }: Lesson, slot: Slot, weights: Weights) => {
  const { block, params } = train.find((own) => own.slot === slot)!
  // Solved for as it is without rounding, which comes last.
  return { layer, slot, block, params: withWeights(params, 'float32'), weights }
}

/** Reads what a block multiplies its last matrix with from its output: columns of the identity in the matrix's place show it. */
class Probe {
  /** Rows of the last matrix. */
  readonly features: number
  private readonly hidden: number

  constructor(
    private readonly forward: Forward,
    private readonly view: (slot: Slot, weights: Weights) => Model,
    private readonly layer: number,
    private readonly pupil: Pupil,
    private readonly weights: Weights,
    private readonly name: string,
  ) {
    ;[this.features, this.hidden] = weights[name]!.shape as [number, number]
  }

  /** @returns the features, [tokens, features], and the layer's output without them, [tokens, hidden] */
  async of(x: Float32Array): Promise<{ features: Float32Array; rest: Float32Array }> {
    const { hidden, features: count } = this
    const rest = await this.output(x, new Float32Array(count * hidden))
    const tokens = x.length / hidden
    const features = new Float32Array(tokens * count)
    for (let from = 0; from < count; from += hidden) {
      const columns = Math.min(hidden, count - from)
      const identity = new Float32Array(count * hidden)
      for (let c = 0; c < columns; c++) identity[(from + c) * hidden + c] = 1
      const y = await this.output(x, identity)
      for (let t = 0; t < tokens; t++)
        for (let c = 0; c < columns; c++) features[t * count + from + c] = y[t * hidden + c]! - rest[t * hidden + c]!
    }
    return { features, rest }
  }

  private output(x: Float32Array, data: Float32Array): Promise<Float32Array> {
    const { slot } = this.pupil
    const weights = { ...this.weights, [this.name]: { shape: [this.features, this.hidden], data } }
    return this.forward.slot(this.view(slot, weights), this.layer, slot, x)
  }
}
