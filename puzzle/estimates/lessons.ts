import type { Work } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import type { DistillParams, lessons } from '../curriculum.js'
import { blockFlops } from './flops.js'
import type { ExpectedReading } from './reading.js'

/**
 * Estimates what lessons have to compute: steps of training, and the error on held-out text before and after. What learns costs
 * a forward pass and two backward; a frozen block behind it, a forward pass and one backward.
 * @param read  with as many held-out sequences as `capture` keeps
 */
export function lessonsWork(
  model: Model,
  all: ReturnType<typeof lessons>,
  params: Pick<DistillParams, 'tokens' | 'training'>,
  { length, filled, validate }: Pick<ExpectedReading, 'length' | 'filled' | 'validate'>,
): Work {
  const positions = params.tokens / filled
  const held = 2 * validate * length
  let [forward, training] = [0, 0]
  for (const { layer, train, beside } of all) {
    const own = train.reduce((n, { slot, ...choice }) => n + blockFlops(model, layer, slot, choice, length), 0)
    const behind =
      beside === 'parent' && train.every(({ slot }) => slot === 'attention')
        ? blockFlops(model, layer, 'ffn', model.config.blocks[layer]!.ffn, length)
        : 0
    forward += held * (own + behind)
    if (params.training === 'gradient') training += positions * (3 * own + 2 * behind)
    else if (params.training === 'closed-form') forward += positions * (own + behind)
  }
  return { forward, training }
}
