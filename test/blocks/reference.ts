import type { LayerFacts } from '../../plugins/api/index.js'

/** Plain float64 arithmetic that knows nothing of graphs: what the block types are compared with. Matrices are lists of rows. */
export type Matrix = readonly (readonly number[])[]
/** Weights of a block by name; biases are matrices of one row. */
export type Matrices = Readonly<Record<string, Matrix>>

const times = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) => b[0]!.map((_, c) => row.reduce((sum, value, k) => sum + value * b[k]![c]!, 0)))

/** x W + b. */
const affine = (x: Matrix, w: Matrices, name: string): number[][] => {
  const bias = w[`${name}.bias`]?.[0]
  return times(x, w[name]!).map((row) => row.map((value, c) => value + (bias?.[c] ?? 0)))
}

/** Angle of a pair of channels at a position. */
export const angle = (position: number, pair: number, headDim: number): number =>
  position / 100 ** ((2 * pair) / headDim)

/** A head's vector with each pair (i, i + headDim/2) turned as a complex number. */
function turned(vector: readonly number[], position: number): number[] {
  const half = vector.length / 2
  const out = [...vector]
  for (let i = 0; i < half; i++) {
    const [re, im, by] = [vector[i]!, vector[i + half]!, angle(position, i, vector.length)]
    out[i] = re * Math.cos(by) - im * Math.sin(by)
    out[i + half] = re * Math.sin(by) + im * Math.cos(by)
  }
  return out
}

/** Attention of one sequence, token by token and head by head: a token sees itself and what is before it. */
export function attention(x: Matrix, w: Matrices, kvHeads: number, facts: LayerFacts, rotary: boolean): number[][] {
  const { heads, headDim } = facts
  const head = (row: readonly number[], h: number) => row.slice(h * headDim, (h + 1) * headDim)
  const placed = (row: readonly number[], h: number, t: number) => (rotary ? turned(head(row, h), t) : head(row, h))
  const [q, k, v] = ['q', 'k', 'v'].map((name) => affine(x, w, name)) as [number[][], number[][], number[][]]
  const mixed = x.map((_, t) =>
    Array.from({ length: heads }, (_, h) => {
      const shared = Math.floor(h / (heads / kvHeads))
      const query = placed(q[t]!, h, t)
      const weights = Array.from({ length: t + 1 }, (_, s) => {
        const key = placed(k[s]!, shared, s)
        return Math.exp(query.reduce((sum, value, i) => sum + value * key[i]!, 0) / Math.sqrt(headDim))
      })
      const total = weights.reduce((a, b) => a + b)
      return Array.from({ length: headDim }, (_, i) =>
        weights.reduce((sum, weight, s) => sum + (weight / total) * head(v[s]!, shared)[i]!, 0),
      )
    }).flat(),
  )
  return affine(mixed, w, 'o')
}

/** down(silu(gate(x)) * up(x)). */
export function gatedFfn(x: Matrix, w: Matrices): number[][] {
  const [gate, up] = [affine(x, w, 'gate'), affine(x, w, 'up')]
  const inner = gate.map((row, t) => row.map((value, c) => (value / (1 + Math.exp(-value))) * up[t]![c]!))
  return affine(inner, w, 'down')
}

/** x W + b of a block that is one matrix. */
export const matrix = (x: Matrix, w: Matrices): number[][] =>
  affine(x, { it: w.weight!, ...(w.bias && { 'it.bias': w.bias }) }, 'it')
