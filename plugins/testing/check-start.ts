import { Session } from '../../tensor/index.js'
import type { Weights } from '../api/index.js'
import type { Measure } from './report.js'
import { asTensor, buildForward, rotaryFeeds, weightFeeds, whole } from './runner.js'
import { initialWeights, type Prepared, type Subject } from './subject.js'

/** nMSE of what the slot adds with initial weights against what the parent's adds, on calibration text. */
export async function checkStart(subject: Subject, atLeastNoOp: boolean): Promise<Measure[]> {
  const { type, facts, parent } = subject
  const { mask } = parent.statistics[type.slot].sample
  const usual = parent.model.config.blocks[facts.layer]![type.slot]
  const { own: weights } = await parent.weights(type.slot)
  const usualSubject = { ...subject, type: parent.model.blocks.get(type.slot, usual.block), params: usual.params }
  const expected = await contribution(usualSubject, weights)
  const found = await contribution(subject, await initialWeights(subject))
  let [error, power] = [0, 0]
  mask.forEach((counts, t) => {
    for (let i = t * facts.hidden; i < (t + 1) * facts.hidden; i++) {
      error += counts * (found[i]! - expected[i]!) ** 2
      power += counts * expected[i]! ** 2
    }
  })
  const what = 'nMSE of initial weights to what the parent adds, 1 if there were nothing'
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
