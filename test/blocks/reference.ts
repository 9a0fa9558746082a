import type { LayerFacts } from '../../api/index.js'

/** Plain float64 arithmetic, without graphs, that block types are compared with. Matrices are lists of rows. */
export type Matrix = readonly (readonly number[])[]
/** Weights of a block by name; biases are matrices with one row. */
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

/** Rotates each pair (i, i + headDim/2) of a head's vector as a complex number. */
function rotated(vector: readonly number[], position: number): number[] {
  const half = vector.length / 2
  const out = [...vector]
  for (let i = 0; i < half; i++) {
    const [re, im, by] = [vector[i]!, vector[i + half]!, angle(position, i, vector.length)]
    out[i] = re * Math.cos(by) - im * Math.sin(by)
    out[i + half] = re * Math.sin(by) + im * Math.cos(by)
  }
  return out
}

/** Causal attention for one sequence, token by token and head by head, within a window. */
export function attention(
  x: Matrix,
  w: Matrices,
  kvHeads: number,
  { heads, headDim }: Pick<LayerFacts, 'heads' | 'headDim'>,
  rotary: boolean,
  window = Infinity,
): number[][] {
  const head = (row: readonly number[], h: number) => row.slice(h * headDim, (h + 1) * headDim)
  const placed = (row: readonly number[], h: number, t: number) => (rotary ? rotated(head(row, h), t) : head(row, h))
  const [q, k, v] = ['q', 'k', 'v'].map((name) => affine(x, w, name)) as [number[][], number[][], number[][]]
  const mixed = x.map((_, t) =>
    Array.from({ length: heads }, (_, h) => {
      const shared = Math.floor(h / (heads / kvHeads))
      const query = placed(q[t]!, h, t)
      const weights = Array.from({ length: t + 1 }, (_, s) => {
        if (t - s >= window) return 0
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

/** x W + b for a block that is a single matrix. */
export const matrix = (x: Matrix, w: Matrices): number[][] =>
  affine(x, { it: w.weight!, ...(w.bias && { 'it.bias': w.bias }) }, 'it')

/** Linear attention for one sequence as a recurrence over tokens, head by head. */
export function linearAttention(
  x: Matrix,
  w: Matrices,
  kvHeads: number,
  { heads, headDim }: Pick<LayerFacts, 'heads' | 'headDim'>,
): number[][] {
  const [q, k, v] = ['q', 'k', 'v'].map((name) => affine(x, w, name)) as [number[][], number[][], number[][]]
  const gate = w.decay ? affine(x, w, 'decay') : undefined
  const soft = (row: readonly number[]) => {
    const powers = row.map((value) => Math.exp(value))
    const sum = powers.reduce((a, b) => a + b)
    return powers.map((value) => value / sum)
  }
  const features = (row: readonly number[], h: number, t: number, map: Matrix) => {
    const vector = rotated(row.slice(h * headDim, (h + 1) * headDim), t)
    const [z] = times([vector], map.slice(h * headDim, (h + 1) * headDim))
    return [...soft(z!), ...soft(z!.map((value) => -value))]
  }
  const size = 2 * w['map.k']![0]!.length
  const mixed = x.map(() => Array<number>(heads * headDim).fill(0))
  for (let h = 0; h < heads; h++) {
    const kv = Math.floor(h / (heads / kvHeads))
    const sums = Array.from({ length: size }, () => Array<number>(headDim + 1).fill(0))
    for (let t = 0; t < x.length; t++) {
      const decay = gate ? (1 / (1 + Math.exp(-gate[t]![kv]!))) ** (1 / 16) : 1
      const key = features(k[t]!, kv, t, w['map.k']!)
      const value = [...v[t]!.slice(kv * headDim, (kv + 1) * headDim), 1]
      key.forEach((f, i) => value.forEach((v, c) => (sums[i]![c] = sums[i]![c]! * decay + f * v)))
      const query = features(q[t]!, h, t, w['map.q']!)
      const out = value.map((_, c) => query.reduce((sum, f, i) => sum + f * sums[i]![c]!, 0))
      for (let c = 0; c < headDim; c++) mixed[t]![h * headDim + c] = out[c]! / (out[headDim]! + 1e-6)
    }
  }
  return affine(mixed, w, 'o')
}

/** Latent attention for one sequence with explicit keys and values of every head, without absorbed matrices. */
export function latentAttention(
  x: Matrix,
  w: Matrices,
  { heads, headDim }: Pick<LayerFacts, 'heads' | 'headDim'>,
  rotatedChannels: number,
): number[][] {
  const free = headDim - rotatedChannels
  // The rotated channels are the fastest ones of the head and keep their angles.
  const turn = (vector: readonly number[], t: number) => {
    const half = rotatedChannels / 2
    return vector.map((value, i) => {
      const by = angle(t, i % half, headDim)
      const other = i < half ? -vector[i + half]! : vector[i - half]!
      return value * Math.cos(by) + other * Math.sin(by)
    })
  }
  const [qr, qf, kr, c] = ['q.rotated', 'q.free', 'k.rotated', 'latent'].map((name) => affine(x, w, name)) as [
    number[][],
    number[][],
    number[][],
    number[][],
  ]
  const rank = c[0]!.length
  const mixed = x.map((_, t) =>
    Array.from({ length: heads }, (_, h) => {
      const upK = w['up.k']!.slice(h * free, (h + 1) * free)
      const upV = w['up.v']!.slice(h * rank, (h + 1) * rank)
      const query = [
        ...turn(qr[t]!.slice(h * rotatedChannels, (h + 1) * rotatedChannels), t),
        ...qf[t]!.slice(h * free, (h + 1) * free),
      ]
      const weights = c.slice(0, t + 1).map((latent, s) => {
        const key = [...turn(kr[s]!, s), ...upK.map((row) => row.reduce((sum, u, r) => sum + u * latent[r]!, 0))]
        return Math.exp(query.reduce((sum, value, i) => sum + value * key[i]!, 0) / Math.sqrt(headDim))
      })
      const total = weights.reduce((a, b) => a + b)
      const values = times(c.slice(0, t + 1), upV)
      return Array.from({ length: headDim }, (_, i) =>
        weights.reduce((sum, weight, s) => sum + (weight / total) * values[s]![i]!, 0),
      )
    }).flat(),
  )
  return affine(mixed, w, 'o')
}

/** The gated FFN with every matrix the product of its two factors. */
export const lowRank = (x: Matrix, w: Matrices): number[][] =>
  gatedFfn(x, {
    ...w,
    ...Object.fromEntries(['gate', 'up', 'down'].map((name) => [name, times(w[`${name}.a`]!, w[`${name}.b`]!)])),
  })
