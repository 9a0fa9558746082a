import { Session } from '../../tensor/index.js'
import type { Weights } from '../../api/index.js'
import type { Measure } from './report.js'
import { asTensor, buildForward, rotaryFeeds, weightFeeds, whole } from './runner.js'
import { initialWeights, type Prepared, type Subject } from './subject.js'

/** Compares the slot's contribution with initial weights to that of the parent's block, on calibration text. */
export async function checkStart(subject: Subject, atLeastNoOp: boolean): Promise<Measure[]> {
  const { type, facts, parent } = subject
  const { mask } = parent.statistics[type.slot].sample
  const original = parent.model.config.blocks[facts.layer]![type.slot]
  const { weights } = await parent.weights(type.slot)
  const parentType = parent.model.blocks.get(type.slot, original.block)
  const expected = await contribution({ ...subject, type: parentType, params: original.params }, weights)
  const actual = await contribution(subject, await initialWeights(subject))
  let [error, power] = [0, 0]
  mask.forEach((counts, t) => {
    for (let i = t * facts.hidden; i < (t + 1) * facts.hidden; i++) {
      error += counts * (actual[i]! - expected[i]!) ** 2
      power += counts * expected[i]! ** 2
    }
  })
  const what = 'nMSE of the block with initial weights relative to the parent’s, where a no-op has 1'
  return [{ what, figure: error / power, allowed: atLeastNoOp ? 1 : 1e6 }]
}

async function contribution(subject: Subject, initial: Weights): Promise<Float32Array> {
  const { x, sequences, length } = subject.parent.statistics[subject.type.slot].sample
  const weights = Object.fromEntries(
    Object.entries(initial).map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
  )
  const variant: Prepared = { ...subject, weights, dtype: 'float32' }
  const { g, result } = buildForward(variant, whole(sequences, length), 'float32')
  g.output('y', result.y)
  const session = await Session.create(g)
  try {
    const { y } = await session.run({
      ...weightFeeds(weights, 'float32'),
      ...rotaryFeeds(variant, 0, length, 'float32'),
      x: asTensor(x, [sequences * length, subject.facts.hidden], 'float32'),
    })
    return y!.data as Float32Array
  } finally {
    await session.release()
  }
}
