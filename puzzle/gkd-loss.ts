import { slots } from '../api/index.js'
import { buildModel, finalNorm, quantisationOf, weightName, type Model } from '../model/index.js'
import type { Bits, Graph, Value } from '../tensor/index.js'
import { uptrainLosses, usualLosses, type UptrainLoss } from './uptrain-params.js'

/** Rounds those weights that are integers in memory. Weights are by the names of `modelShapes`. */
export function roundedWhere<T>(
  model: Model,
  weights: Readonly<Record<string, T>>,
  round: (value: T, name: string, bits: Bits) => T,
): Record<string, T> {
  const all = { ...weights }
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of slots) {
      const { bits = 8, names = [] } = quantisationOf(model, layer, slot) ?? {}
      for (const own of names) {
        const name = weightName(layer, slot, own)
        all[name] = round(weights[name]!, name, bits)
      }
    }
  return all
}

type Values = Readonly<Record<string, Value>>

/**
 * Builds the loss: the mean over tokens of the sum over layers of 1 - cos(parent, child), plus the mean over tokens of
 * KL(parent || child), or over a sample of them, unless other terms are asked for. The parent is computed in the same graph.
 *
 * @param inputs  ids and mask, [batch * length], and the positions of the sample, if there is one
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 5
 */
export function gkdLoss(
  g: Graph,
  parent: Model,
  child: Model,
  trained: Values,
  frozen: Values,
  inputs: Values,
  size: { batch: number; length: number },
  skipped: ReadonlySet<number>,
  losses: readonly UptrainLoss[] = usualLosses,
): { loss: Value; metrics: Values } {
  const [ids, mask] = [inputs.ids!, inputs.mask!]
  const own = Object.fromEntries(
    Object.entries(frozen)
      .filter(([name]) => name.startsWith('parent.'))
      .map(([name, value]) => [name.slice('parent.'.length), value]),
  )
  const embedding = frozen.embedding!
  const teacher = buildModel(g, parent.config, parent.blocks, ids, { ...own, embedding }, size)
  const learning = roundedWhere(child, trained, (value, _, bits) => g.fakeQuantise(value, bits))
  const student = buildModel(g, child.config, child.blocks, ids, { ...learning, embedding }, size)
  const tokens = g.sum(mask)
  let cosine = g.scalar(0, 'float32')
  for (const [layer, t] of teacher.layerOutputs.entries()) {
    if (skipped.has(layer)) continue
    const distance = cosineDistance(g, g.stopGradient(t), student.layerOutputs[layer]!, mask)
    cosine = g.add(cosine, g.div(distance, tokens))
  }
  const head = frozen.head ?? embedding
  const softcap = child.config.finalSoftcap === undefined ? {} : { softcap: child.config.finalSoftcap }
  const taught = g.stopGradient(finalNorm(g, parent.config, teacher.hidden, frozen.parentNorm!))
  const hidden = finalNorm(g, child.config, student.hidden, (trained.norm ?? frozen.norm)!)
  const sample = inputs.sample && g.cast(inputs.sample, 'int64')
  const sampled = (value: Value) => (sample ? g.gather(value, sample) : value)
  const counted = sampled(mask)
  // A sample may consist of padding alone.
  const compared = sample ? g.maximum(g.sum(counted), g.scalar(1, 'float32')) : tokens
  const kl = g.div(g.klHead(sampled(taught), sampled(hidden), head, counted, softcap), compared)
  const terms: Partial<Record<UptrainLoss, Value>> = { cosine, kl }
  if (losses.includes('lm')) {
    const next = following(g, ids, mask, size)
    terms.lm = g.div(g.crossEntropyHead(hidden, head, next.ids, next.mask, softcap), g.sum(next.mask))
  }
  const wanted = uptrainLosses.filter((name) => losses.includes(name)).map((name) => terms[name]!)
  return { loss: wanted.reduce((a, b) => g.add(a, b)), metrics: { kl, cosine, ...(terms.lm && { lm: terms.lm }) } }
}

/** Builds the sum over tokens of 1 - cos(target, states), each times its weight.
 *  @param states  [tokens, hidden], as is the target */
export function cosineDistance(g: Graph, target: Value, states: Value, weights: Value): Value {
  const dot = (a: Value, b: Value) => g.sum(g.mul(a, b), [1])
  const norms = g.sqrt(g.add(g.mul(dot(target, target), dot(states, states)), g.scalar(1e-12, 'float32')))
  const term = g.sub(g.scalar(1, 'float32'), g.div(dot(target, states), norms))
  return g.sum(g.mul(term, weights))
}

/** The next token of every position, int64 [tokens], and whether there is one: 1, or 0 at the end of a text. */
function following(
  g: Graph,
  ids: Value,
  mask: Value,
  { batch, length }: { batch: number; length: number },
): { ids: Value; mask: Value } {
  const shifted = (value: Value) => {
    const rows = g.slice(g.reshape(value, [batch, length]), 1, 1, length)
    return g.reshape(g.concat([rows, g.zeros([batch, 1], value.dtype)], 1), [batch * length])
  }
  return { ids: shifted(g.cast(ids, 'int64')), mask: shifted(mask) }
}
