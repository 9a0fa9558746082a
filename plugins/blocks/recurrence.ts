import type { Value } from '../../tensor/index.js'

/** Tokens computed in one matrix product; longer chunks are scanned in parts of this size. */
const part = 64

/** Inputs of `recurrence`. */
export interface RecurrenceInputs {
  /** Features of queries, the heads of each group stacked, [batch, groups, group * length, features]. */
  readonly q: Value
  /** Features of keys, [batch, groups, length, features]. */
  readonly k: Value
  /** Values, [batch, groups, length, dim]. */
  readonly v: Value
  /** Logarithm of the decay factor at each token, ≤ 0, [batch, groups, length]. @default 0 */
  readonly logDecay?: Value
}

/**
 * Linear attention as a recurrence, S_t = a_t S_t-1 + k_tᵀ v_t and y_t = q_t S_t, chunk by chunk; within a chunk it is a masked
 * product.
 *
 * @param state  past state, [batch, groups, features, dim]; absent at the start of a sequence
 * @returns y: [batch, groups, group * length, dim], and the state after the chunk
 * @source Katharopoulos et al. 2020, arXiv 2006.16236, eq. 16-20; chunks: Yang et al. 2023, arXiv 2312.06635, section 4
 */
export function recurrence(inputs: RecurrenceInputs, state?: Value): { y: Value; state: Value } {
  const { q, k, v, logDecay } = inputs
  const g = q.graph
  const [batch, groups, length, features] = k.shape as readonly number[] as [number, number, number, number]
  const dim = Number(v.shape[3])
  const group = Number(q.shape[2]) / length
  const parts = Math.floor(length / part)
  if (parts < 3) return together(inputs, state)

  // Axis 0 of the sequences is the part.
  const rest = length - parts * part
  const queries = g.reshape(q, [batch, groups, group, length, features])
  const cut = (x: Value, axis: number) => g.slice(x, axis, 0, parts * part)
  const split = (x: Value, axis: number) => {
    const shape = [...x.shape.slice(0, axis), parts, part, ...x.shape.slice(axis + 1)]
    const order = [axis, ...shape.map((_, i) => i).filter((i) => i !== axis)]
    return g.transpose(g.reshape(cut(x, axis), shape), order)
  }
  const { carried, outputs } = g.scan({
    carried: [state ?? g.zeros([batch, groups, features, dim], q.dtype)],
    sequences: [split(queries, 3), split(k, 2), split(v, 2), ...(logDecay ? [split(logDecay, 2)] : [])],
    body: ([before], [partQ, partK, partV, partDecay]) => {
      const result = together(
        {
          q: g.reshape(partQ!, [batch, groups, group * part, features]),
          k: partK!,
          v: partV!,
          ...(partDecay && { logDecay: partDecay }),
        },
        before,
      )
      return { carried: [result.state], outputs: [result.y] }
    },
  })
  // [parts, batch, groups, group * part, dim] to tokens in order.
  const byPart = g.reshape(outputs[0]!, [parts, batch, groups, group, part, dim])
  const done = g.reshape(g.transpose(byPart, [1, 2, 3, 0, 4, 5]), [batch, groups, group, parts * part, dim])
  const flat = (x: Value) => g.reshape(x, [batch, groups, group * length, dim])
  if (rest === 0) return { y: flat(done), state: carried[0]! }
  const tail = (x: Value, axis: number) => g.slice(x, axis, parts * part, length)
  const last = together(
    {
      q: g.reshape(tail(queries, 3), [batch, groups, group * rest, features]),
      k: tail(k, 2),
      v: tail(v, 2),
      ...(logDecay && { logDecay: tail(logDecay, 2) }),
    },
    carried[0],
  )
  const end = g.reshape(last.y, [batch, groups, group, rest, dim])
  return { y: flat(g.concat([done, end], 3)), state: last.state }
}

/** Computes all tokens of a chunk in one masked product. */
function together({ q, k, v, logDecay }: RecurrenceInputs, state?: Value): { y: Value; state: Value } {
  const g = q.graph
  const [batch, groups, length] = k.shape as readonly number[] as [number, number, number]
  const group = Number(q.shape[2]) / length
  const rows = group * length
  const forTokens = (x: Value) => g.reshape(x, [batch, groups, group, length, x.shape.at(-1)!])
  const forRows = (x: Value) => g.reshape(x, [batch, groups, rows, x.shape.at(-1)!])
  const perToken = (x: Value) => g.reshape(x, [batch, groups, 1, length, 1])
  const decay = logDecay && g.cumsum(logDecay, 2)

  let products = g.matmul(q, g.transpose(k, [0, 1, 3, 2]))
  if (length > 1) {
    const weights = decay
      ? // exp(c_i - c_j) for j <= i; the part above the diagonal is masked before it can overflow.
        g.exp(
          g.add(
            g.sub(perToken(decay), g.reshape(decay, [batch, groups, 1, 1, length])),
            g.cast(g.band(length, 0, -1e9), q.dtype),
          ),
        )
      : g.cast(g.band(length, 1, 0), q.dtype)
    products = forRows(g.mul(forTokens(products), weights))
  }
  const within = g.matmul(products, v)
  const last = decay && g.reshape(g.slice(decay, 2, length - 1, length), [batch, groups, 1, 1])
  const toEnd = decay && last && g.exp(g.sub(last, g.unsqueeze(decay, 3)))
  const added = g.matmul(g.transpose(toEnd ? g.mul(k, toEnd) : k, [0, 1, 3, 2]), v)
  if (!state) return { y: within, state: added }
  const earlier = g.matmul(q, state)
  const decayed = decay ? forRows(g.mul(forTokens(earlier), g.exp(perToken(decay)))) : earlier
  return { y: g.add(within, decayed), state: g.add(last ? g.mul(state, g.exp(last)) : state, added) }
}
