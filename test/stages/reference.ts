import type { Model } from '../../model/index.js'
import type { BlockChoice, Slot, Weight, Weights } from '../../api/index.js'

/** Rows of float64 numbers, one a token: a language model in plain arithmetic, which the stages are compared with. */
export type Rows = readonly (readonly number[])[]

/** What a sequence looks like on its way through a model. */
export interface Pass {
  /** Before the first layer and after every slot: [2 * layers + 1][tokens][hidden]. */
  readonly states: readonly Rows[]
  /** [tokens][vocabulary] */
  readonly logits: Rows
}

/** A whole model on one sequence. */
export async function forward(model: Model, ids: ArrayLike<number>): Promise<Pass> {
  const { hidden, layers, vocabulary, normEps } = model.config
  const embedding = await model.embedding()
  let x: Rows = Array.from(ids, (id) => Array.from(embedding.subarray(id * hidden, (id + 1) * hidden)))
  const states = [x]
  for (let layer = 0; layer < layers; layer++)
    for (const slot of ['attention', 'ffn'] as const) {
      x = slotOutput(model, slot, model.config.blocks[layer]![slot], await model.weights(layer, slot), x)
      states.push(x)
    }
  const head = { shape: [vocabulary, hidden], data: await model.head() }
  return { states, logits: projected(normalised(x, await model.norm(), normEps), transposed(head)) }
}

/** x + block(norm(x)); x itself of an empty block. */
export function slotOutput(model: Model, slot: Slot, { block, params }: BlockChoice, w: Weights, x: Rows): Rows {
  if (block === 'no-op') return x
  const normal = normalised(x, w.norm!.data, model.config.normEps)
  const y =
    block === 'linear'
      ? projected(normal, w.weight!)
      : slot === 'ffn'
        ? gated(normal, w)
        : attention(model, params.kvHeads as number, w, normal)
  return x.map((row, t) => row.map((value, i) => value + y[t]![i]!))
}

export function normalised(x: Rows, weight: Float32Array, epsilon: number): Rows {
  return x.map((row) => {
    const scale = 1 / Math.sqrt(row.reduce((n, v) => n + v * v, 0) / row.length + epsilon)
    return row.map((value, i) => value * scale * weight[i]!)
  })
}

/** silu(x gate) * x up, the activations of the FFN's channels. */
export function activations(x: Rows, w: Weights): Rows {
  const [gate, up] = [projected(x, w.gate!), projected(x, w.up!)]
  return gate.map((row, t) => row.map((value, i) => (value / (1 + Math.exp(-value))) * up[t]![i]!))
}
const gated = (x: Rows, w: Weights): Rows => projected(activations(x, w), w.down!)

/** One matrix, [in, out]. */
function projected(x: Rows, { shape, data }: Weight): Rows {
  const columns = shape[1]!
  return x.map((row) =>
    Array.from({ length: columns }, (_, c) => row.reduce((sum, v, i) => sum + v * data[i * columns + c]!, 0)),
  )
}

function transposed({ shape, data }: Weight): Weight {
  const [rows, columns] = shape as [number, number]
  const out = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!)
  return { shape: [columns, rows], data: out }
}

/** Every token looks at itself and those before it; query heads of a group share a key and value head. */
function attention({ config }: Model, kvHeads: number, w: Weights, x: Rows): Rows {
  const { heads, headDim, rotaries } = config
  const half = headDim / 2
  const head = (row: readonly number[], h: number) => row.slice(h * headDim, (h + 1) * headDim)
  const turned = (v: readonly number[], t: number) =>
    v.map((value, i) => {
      const angle = t / rotaries[0]!.theta ** ((2 * (i % half)) / headDim)
      return value * Math.cos(angle) + (i < half ? -v[i + half]! : v[i - half]!) * Math.sin(angle)
    })
  const [q, k, v] = ['q', 'k', 'v'].map((name) => projected(x, w[name]!)) as [Rows, Rows, Rows]
  const mixed = q.map((row, t) =>
    Array.from({ length: heads }, (_, h) => {
      const from = Math.floor((h * kvHeads) / heads)
      const query = turned(head(row, h), t)
      const scores = Array.from({ length: t + 1 }, (_, s) => {
        const key = turned(head(k[s]!, from), s)
        return query.reduce((sum, value, i) => sum + value * key[i]!, 0) / Math.sqrt(headDim)
      })
      const weights = softmax(scores)
      return Array.from({ length: headDim }, (_, i) =>
        weights.reduce((sum, weight, s) => sum + weight * head(v[s]!, from)[i]!, 0),
      )
    }).flat(),
  )
  return projected(mixed, w.o!)
}

function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits)
  const powers = logits.map((x) => Math.exp(x - largest))
  const total = powers.reduce((a, b) => a + b)
  return powers.map((x) => x / total)
}

/** KL(p || q) of the distributions that two rows of logits stand for, in nats. */
export function divergence(p: readonly number[], q: readonly number[]): number {
  const [a, b] = [softmax(p), softmax(q)]
  return a.reduce((sum, x, i) => sum + x * Math.log(x / b[i]!), 0)
}

/** Loss of a row of logits for the token that came, in nats. */
export const surprise = (logits: readonly number[], token: number): number => -Math.log(softmax(logits)[token]!)

export const argmax = (row: readonly number[]): number => row.indexOf(Math.max(...row))

/** How two models' predictions differ on texts. */
export interface Difference {
  readonly kl: number
  readonly lossDelta: number
  readonly top1: number
  readonly nmse: number
  /** Of the child. */
  readonly perplexity: number
}

/** Sums over all tokens of the sequences, divided as the contract says. @param texts  without padding */
export async function compare(parent: Model, child: Model, texts: readonly (readonly number[])[]): Promise<Difference> {
  const sum = { kl: 0, loss: 0, parentLoss: 0, same: 0, error: 0, power: 0, tokens: 0, targets: 0 }
  for (const ids of texts) {
    const [p, c] = [await forward(parent, ids), await forward(child, ids)]
    const [last, own] = [p.states.at(-1)!, c.states.at(-1)!]
    for (const [t, logits] of p.logits.entries()) {
      sum.tokens++
      sum.kl += divergence(logits, c.logits[t]!)
      sum.same += Number(argmax(logits) === argmax(c.logits[t]!))
      sum.error += last[t]!.reduce((n, v, i) => n + (own[t]![i]! - v) ** 2, 0)
      sum.power += last[t]!.reduce((n, v) => n + v ** 2, 0)
      if (t + 1 === ids.length) continue
      sum.targets++
      sum.loss += surprise(c.logits[t]!, ids[t + 1]!)
      sum.parentLoss += surprise(logits, ids[t + 1]!)
    }
  }
  return {
    kl: sum.kl / sum.tokens,
    lossDelta: (sum.loss - sum.parentLoss) / sum.targets,
    top1: sum.same / sum.tokens,
    nmse: sum.error / sum.power,
    perplexity: Math.exp(sum.loss / sum.targets),
  }
}
