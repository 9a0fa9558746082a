import { Session } from '../../tensor/index.js'
import { buildForward, whole } from './runner.js'
import type { Prepared, Subject } from './subject.js'
import { initialWeights, trained } from './subject.js'

/** The variant with weights, in the finest numbers that its `forward` can be computed in. */
export async function prepare(subject: Subject): Promise<Prepared> {
  const weights = trained(await initialWeights(subject))
  const fine: Prepared = { ...subject, weights, dtype: 'float64' }
  // Whoever writes float32 constants cannot compute in float64; then everything is checked less exactly.
  return (await opens(fine)) ? fine : { ...fine, dtype: 'float32' }
}

async function opens(variant: Prepared): Promise<boolean> {
  try {
    const { g, result } = buildForward(variant, whole(1, 3), variant.dtype)
    g.output('y', result.y)
    await (await Session.create(g, { optimisation: 'disabled' })).release()
    return true
  } catch {
    return false // in float32 the same error is told by the check `forward`
  }
}

/** How far results may be off that ought to be the same, as a share of the largest. */
export const tolerance = ({ dtype }: Pick<Prepared, 'dtype'>): number => (dtype === 'float64' ? 1e-9 : 1e-4)
