import { Session } from '../../tensor/index.js'
import { buildForward, whole } from './runner.js'
import type { Prepared, Subject } from './subject.js'
import { initialWeights, trained } from './subject.js'

/** Prepares a variant with weights, in the highest precision in which its `forward` runs. */
export async function prepare(subject: Subject): Promise<Prepared> {
  const weights = trained(await initialWeights(subject))
  const fine: Prepared = { ...subject, weights, dtype: 'float64' }
  // A block with float32 constants does not run in float64; then all checks have a larger tolerance.
  return (await opens(fine)) ? fine : { ...fine, dtype: 'float32' }
}

async function opens(variant: Prepared): Promise<boolean> {
  try {
    const { g, result } = buildForward(variant, whole(1, 3), variant.dtype)
    g.output('y', result.y)
    await (await Session.create(g, { optimisation: 'disabled' })).release()
    return true
  } catch {
    return false // the check `forward` reports the error if float32 has it too
  }
}

/** Relative tolerance for results that should be equal. */
export const tolerance = ({ dtype }: Pick<Prepared, 'dtype'>): number => (dtype === 'float64' ? 1e-9 : 1e-4)
