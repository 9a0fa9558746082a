import { Failure, type BlockType, type LayerFacts, type Weight } from '../api/index.js'

export interface GroupedQueryParams {
  readonly [key: string]: number
  readonly kvHeads: number
}

/** Attention whose query heads share key and value heads (GQA, arXiv 2305.13245), with rotary embedding. */
export const groupedQuery: BlockType<GroupedQueryParams> = {
  name: 'grouped-query',
  slot: 'attention',
  version: 1,
  parameters: {
    type: 'object',
    required: ['kvHeads'],
    additionalProperties: false,
    properties: {
      block: { const: 'grouped-query' },
      kvHeads: {
        description: 'Numbers of key/value heads. Each must divide the number that the parent has.',
        oneOf: [
          { type: 'integer', minimum: 1 },
          { type: 'array', minItems: 1, items: { type: 'integer', minimum: 1 } },
        ],
      },
    },
  },

  variants(facts, entry) {
    const wanted = [entry.kvHeads].flat() as number[]
    for (const n of wanted)
      if (!divisors(facts.kvHeads).includes(n))
        throw new Failure(
          'InvalidInput',
          `kvHeads ${n} does not divide the parent's ${facts.kvHeads} key/value heads`,
          {
            remedy: `Use ${divisors(facts.kvHeads).join(', ')}.`,
          },
        )
    // The parent's own number is the variant `parent`, which is always there.
    return [...new Set(wanted)].filter((n) => n !== facts.kvHeads).map((kvHeads) => ({ kvHeads }))
  },

  id: ({ kvHeads }) => `grouped-query-${kvHeads}`,

  shapes({ hidden, heads, headDim, attentionBias }, { kvHeads }) {
    return {
      q: [hidden, heads * headDim],
      k: [hidden, kvHeads * headDim],
      v: [hidden, kvHeads * headDim],
      o: [heads * headDim, hidden],
      ...(attentionBias && {
        'q.bias': [heads * headDim],
        'k.bias': [kvHeads * headDim],
        'v.bias': [kvHeads * headDim],
        'o.bias': [hidden],
      }),
    }
  },

  /** Key and value heads are means over the parent's heads of the group. */
  initialise(parent, facts, { kvHeads }) {
    const pooled = ['k', 'v', 'k.bias', 'v.bias'].filter((name) => parent[name])
    return { ...parent, ...Object.fromEntries(pooled.map((name) => [name, meanPool(parent[name]!, facts, kvHeads)])) }
  },

  forward(g, x, w, { kvHeads }, { facts: { heads, headDim }, batch, length, rotary, past, mask, wantState }) {
    const group = heads / kvHeads
    const project = (name: string, count: number) => {
      const y = g.gemm(x, w[name]!)
      const bias = w[`${name}.bias`]
      return g.reshape(bias ? g.add(y, bias) : y, [batch, length, count, headDim])
    }
    const rotate = (y: ReturnType<typeof project>) => {
      if (!rotary) return y
      const [cos, sin] = [rotary.cos, rotary.sin].map((table) => g.reshape(table, [length, 1, headDim]))
      const [first, second] = g.split(y, 3, [headDim / 2, headDim / 2])
      return g.add(g.mul(y, cos!), g.mul(g.concat([g.neg(second!), first!], 3), sin!))
    }
    // Query heads of a group lie one below the other: no copy of keys or values per query head.
    const q = g.mul(rotate(project('q', heads)), g.scalar(1 / Math.sqrt(headDim), x.dtype))
    const rows = group * length
    const grouped = g.reshape(g.transpose(g.reshape(q, [batch, length, kvHeads, group, headDim]), [0, 2, 3, 1, 4]), [
      batch,
      kvHeads,
      rows,
      headDim,
    ])
    const k = g.transpose(rotate(project('k', kvHeads)), [0, 2, 1, 3])
    const v = g.transpose(project('v', kvHeads), [0, 2, 1, 3])

    let scores = g.matmul(grouped, g.transpose(k, [0, 1, 3, 2]))
    if (length > 1) {
      const causal = g.constant(causalMask(length), [length, length])
      const square = g.reshape(scores, [batch, kvHeads, group, length, length])
      scores = g.reshape(g.add(square, g.cast(causal, x.dtype)), [batch, kvHeads, rows, length])
    }
    let mixed
    if (past) {
      const before = g.add(g.matmul(grouped, g.transpose(past.k!, [0, 1, 3, 2])), mask!)
      // The new tokens come first: their number is known, the capacity of the state is not.
      const all = g.softmax(g.concat([scores, before], 3), 3)
      const [own, old] = g.cut(all, 3, length, past.k!.shape[2]!)
      mixed = g.add(g.matmul(own, v), g.matmul(old, past.v!))
    } else mixed = g.matmul(g.softmax(scores, 3), v)

    const merged = g.reshape(g.transpose(g.reshape(mixed, [batch, kvHeads, group, length, headDim]), [0, 3, 1, 2, 4]), [
      batch * length,
      heads * headDim,
    ])
    const out = g.gemm(merged, w.o!)
    const y = w['o.bias'] ? g.add(out, w['o.bias']) : out
    return wantState ? { y, state: { k, v } } : { y }
  },

  state: ({ headDim }, { kvHeads }) => [
    { name: 'k', kind: 'per-token', shape: [kvHeads, headDim] },
    { name: 'v', kind: 'per-token', shape: [kvHeads, headDim] },
  ],
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0)
}

/** [rows, parent heads * headDim] to [rows, kvHeads * headDim]; a bias counts as one row. */
function meanPool({ shape, data }: Weight, { kvHeads: from, headDim }: LayerFacts, to: number): Weight {
  const group = from / to
  const rows = data.length / (from * headDim)
  const pooled = new Float32Array(rows * to * headDim)
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < from; head++)
      for (let i = 0; i < headDim; i++)
        pooled[(row * to + Math.floor(head / group)) * headDim + i]! += data[(row * from + head) * headDim + i]! / group
  return { shape: [...shape.slice(0, -1), to * headDim], data: pooled }
}

/** 0 on and below the diagonal, -1e9 above, [length, length]. */
function causalMask(length: number): Float32Array {
  const mask = new Float32Array(length * length)
  for (let i = 0; i < length; i++) mask.fill(-1e9, i * length + i + 1, (i + 1) * length)
  return mask
}
