import type { TaskContext } from '../api/index.js'
import type { Sequences } from '../data/sequences.js'
import type { Model } from '../model/index.js'
import { isLayerwise } from './layerwise/bounds.js'
import { uptrainLayerwise } from './layerwise/uptrain-layerwise.js'
import type { Filling } from './library.js'
import type { CurvePoint } from './train-with-checkpoints.js'
import type { UptrainParams } from './uptrain-params.js'
import { UptrainingPlan } from './uptraining-plan.js'
import { uptrainWhole } from './uptrain-whole.js'

/** What an uptraining came to: its last point, and its curve. */
export interface Uptrained {
  readonly steps: number
  /** Without padding. */
  readonly tokens: number
  readonly loss: number
  readonly kl: number
  readonly cosine: number
  readonly curve: readonly CurvePoint[]
}

/**
 * Trains all layers of a child to match its parent (global knowledge distillation; Puzzle, section 5), from its checkpoint if
 * there is one, and writes the weights that it trained by the names of `modelShapes`.
 * @param child     with the weights that it begins with
 * @param fillings  its blocks: hidden states within runs of layers are not compared
 * @param path      file of weights to write
 */
export async function uptrainChild(
  parent: Model,
  child: Model,
  fillings: readonly Filling[],
  text: Sequences,
  params: UptrainParams & { readonly seed: number },
  context: Pick<TaskContext, 'threads' | 'checkpoint' | 'scratch' | 'signal' | 'progress'>,
  path: string,
): Promise<Uptrained> {
  const plan = new UptrainingPlan(text, params)
  const train = isLayerwise(parent, params) ? uptrainLayerwise : uptrainWhole
  const curve = await train({ parent, child, skipped: withinRuns(fillings), params, plan }, context, path)
  const { loss, kl, cosine } = curve.at(-1)!
  return { steps: plan.steps, tokens: plan.tokensSeen(), loss, kl: kl!, cosine: cosine!, curve }
}

/** Layers inside runs: after them, the child's hidden states do not correspond to the parent's. */
const withinRuns = (fillings: readonly Filling[]): ReadonlySet<number> =>
  new Set(fillings.flatMap(({ layer, span = 1 }) => Array.from({ length: span - 1 }, (_, i) => layer + i)))
