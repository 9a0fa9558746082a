/**
 * What plugins with block types rely on. Nothing here runs: the compiler checks it whenever the project is built, so a
 * change of the interface that breaks plugins out of the tree breaks the build first.
 */
import {
  compute,
  digestJson,
  Failure,
  grid,
  type About,
  type BlockChoice,
  type BlockContext,
  type BlockResult,
  type Blocks,
  type BlockType,
  type Json,
  type JsonObject,
  type LayerFacts,
  type LayerStatistics,
  type Sample,
  type Slot,
  type StateShape,
  type Weight,
  type Weights,
} from '../../api/index.js'
import { checkBlockType, type CheckOptions, type Finding } from '../../plugins/testing/index.js'
import type { Graph, Value } from '../../tensor/index.js'

/** What a plugin is given has at least what it was written for: a new field breaks nothing, a lost or optional one does. */
const given = <Now extends Then, Then>(): [Now, Then] | undefined => undefined
/** What a plugin returns is still enough: a new optional field breaks nothing, a needed one does. */
const returned = <Then extends Now, Now>(): [Then, Now] | undefined => undefined

given<
  LayerFacts,
  {
    readonly layer: number
    readonly layers: number
    readonly hidden: number
    readonly heads: number
    readonly kvHeads: number
    readonly headDim: number
    readonly intermediate: number
    readonly attentionBias: boolean
    readonly mlpBias: boolean
    readonly normEps: number
    readonly outputBias?: boolean
    readonly qkNorm?: boolean
    readonly normOffset?: 0 | 1
    readonly activation?: 'silu' | 'gelu-tanh'
    readonly attentionScale?: number
    readonly attentionSoftcap?: number
    readonly residualScale?: number
    readonly postNorms?: boolean
    readonly window?: number
  }
>()
given<
  BlockContext,
  {
    readonly facts: LayerFacts
    readonly batch: number
    readonly length: number
    readonly rotary?: { readonly cos: Value; readonly sin: Value }
    readonly past?: Readonly<Record<string, Value>>
    readonly mask?: Value
    readonly windowMasks?: Readonly<Record<string, Value>>
    readonly wantState: boolean
  }
>()
given<LayerStatistics, { readonly channelContribution?: Float32Array; readonly sample?: Sample }>()
given<
  Sample,
  {
    readonly sequences: number
    readonly length: number
    readonly x: Float32Array
    readonly mask: Float32Array
    readonly rotary: { readonly cos: Float32Array; readonly sin: Float32Array }
  }
>()
given<Weights, Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>>()
given<Blocks, Registry>()

returned<Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>, Weights>()
returned<{ readonly y: Value; readonly state?: Readonly<Record<string, Value>> }, BlockResult>()
returned<{ readonly block: string; readonly params: JsonObject }, BlockChoice>()
returned<'attention' | 'ffn', Slot>()
returned<
  | { readonly name: string; readonly kind: 'per-token'; readonly shape: readonly [heads: number, dim: number] }
  | { readonly name: string; readonly kind: 'per-sequence'; readonly shape: readonly number[] }
  | {
      readonly name: string
      readonly kind: 'window'
      readonly shape: readonly [heads: number, dim: number]
      readonly window: number
    },
  StateShape
>()
returned<{ readonly summary: string; readonly source?: string }, About>()
returned<Written, BlockType<Rank>>()
returned<WrittenNow, BlockType<Rank>>()
returned<{ readonly entries: readonly JsonObject[] }, CheckOptions>()
given<Finding, { readonly variant: string; readonly ok: boolean; readonly figure: number; readonly message: string }>()

interface Registry {
  get(slot: Slot, name: string): BlockType
  has(slot: Slot, name: string): boolean
  list(): readonly BlockType[]
}

interface Rank {
  readonly [key: string]: number
  readonly rank: number
}

/** A block type as a plugin was written. */
interface Written {
  readonly name: string
  readonly slot: 'attention' | 'ffn'
  readonly version: number
  readonly parameters: object
  variants(facts: LayerFacts, entry: JsonObject): readonly Rank[]
  id(params: Rank): string
  shapes(facts: LayerFacts, params: Rank): Readonly<Record<string, readonly number[]>>
  initialise(parent: Weights, facts: LayerFacts, params: Rank, statistics: LayerStatistics): Weights
  forward(
    g: Graph,
    x: Value,
    weights: Readonly<Record<string, Value>>,
    params: Rank,
    context: BlockContext,
  ): BlockResult
  state?(facts: LayerFacts, params: Rank): readonly StateShape[]
  readonly empty?: boolean
}

/** A block type with all that came later: variants one by one, weights that wait, what it wants to see, and says. */
interface WrittenNow extends Omit<Written, 'variants' | 'initialise'> {
  variants(facts: LayerFacts, entry: JsonObject): Generator<Rank, void>
  initialise(parent: Weights, facts: LayerFacts, params: Rank, statistics: LayerStatistics): Promise<Weights>
  sampleTokens(params: Rank): number
  learnsFirst(params: Rank): readonly string[]
  readonly about: {
    readonly summary: string
    readonly initialisation: string
    readonly source: string
    readonly pays: string
  }
}

/** A plugin as an author writes it: two thin matrices in place of an FFN. */
export const lowRank = {
  name: 'low-rank',
  slot: 'ffn',
  version: 1,
  parameters: { type: 'object', properties: { rank: { type: 'integer' } } },
  variants(facts, entry) {
    const rank = Number(entry.rank)
    if (rank >= facts.hidden) throw new Failure('InvalidInput', `rank ${rank} is no less than ${facts.hidden}`)
    return [{ rank }]
  },
  id: ({ rank }) => `low-rank-${rank}`,
  shapes: ({ hidden }, { rank }) => ({ a: [hidden, rank], b: [rank, hidden] }),
  initialise: ({ up, down }, { hidden }, { rank }, { channelContribution }) => {
    const strongest = channelContribution?.indexOf(Math.max(...channelContribution)) ?? 0
    const size = (data: Float32Array | undefined) => new Float32Array(hidden * rank).fill(data?.[strongest] ?? 0)
    return { a: { shape: [hidden, rank], data: size(up?.data) }, b: { shape: [rank, hidden], data: size(down?.data) } }
  },
  forward(g, x, { a, b }, _params, { batch, length, wantState }) {
    const y = g.reshape(g.gemm(g.gemm(x, a!), b!), [batch * length, x.shape[1]!])
    return wantState ? { y, state: { last: y } } : { y }
  },
  state: ({ hidden }) => [
    { name: 'last', kind: 'per-sequence', shape: [hidden] },
    { name: 'rows', kind: 'per-token', shape: [1, hidden] },
  ],
} satisfies BlockType<Rank>

/** A grid of variants, weights from a sample, and a window of keys. */
export const windowed = {
  name: 'windowed',
  slot: 'attention',
  version: 1,
  parameters: {},
  about: { summary: 'A mean over a window.' },
  *variants({ headDim }, entry) {
    yield* grid({ rank: [1, headDim], window: [Number(entry.window)] })
  },
  id: ({ rank, window }) => `windowed-${rank}-${window}`,
  shapes: ({ hidden }, { rank }) => ({ a: [hidden, rank] }),
  sampleTokens: ({ rank }) => 64 * rank,
  learnsFirst: () => ['a'],
  async initialise(_parent, { hidden }, { rank }, { sample }) {
    if (!sample) return { a: { shape: [hidden, rank], data: new Float32Array(hidden * rank) } }
    const x: Weight = { shape: [sample.mask.length, hidden], data: sample.x }
    const { gram } = await compute((g, { x }) => ({ gram: g.gemm(x!, x!, { transA: true }) }), { x })
    return { a: { shape: [hidden, rank], data: gram!.data.slice(0, hidden * rank) } }
  },
  forward(g, x, { a }, _params, { past, windowMasks }) {
    const rows = g.gemm(x, a!)
    void ([past?.rows, windowMasks?.rows] satisfies (Value | undefined)[])
    return { y: g.gemm(rows, a!, { transB: true }), state: { rows } }
  },
  state: (_facts, { rank, window }) => [{ name: 'rows', kind: 'window', window, shape: [1, rank] }],
} satisfies BlockType<{ readonly rank: number; readonly window: number }>

const nothing: BlockType<Readonly<Record<string, never>>> = {
  name: 'nothing',
  slot: 'attention',
  version: 1,
  parameters: {},
  empty: true,
  variants: () => [{}],
  id: () => 'nothing',
  shapes: () => ({}),
  initialise: () => ({}),
  forward: (_g, x) => ({ y: x }),
}

// Mistakes that the compiler must find.
void ({
  ...nothing,
  // @ts-expect-error there are two slots
  slot: 'mlp',
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error the version is a number that is raised by hand
  version: '1',
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error a forward returns a value of the graph, not data
  forward: () => ({ y: new Float32Array(1) }),
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error weights are numbers with a shape
  initialise: () => ({ a: new Float32Array(1) }),
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error parameters go into JSON: no functions
  variants: () => [{ activation: Math.tanh }],
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error there is no such method; a block type that misspells `state` would lose its state
  states: () => [],
} satisfies BlockType)
void ({ name: 'k', kind: 'per-token', shape: [4, 16] } satisfies StateShape)
// @ts-expect-error state that grows has heads and a size, no capacity of its own
void ({ name: 'k', kind: 'per-token', shape: [1, 4, 16] } satisfies StateShape)
// @ts-expect-error state is per token or per sequence
void ({ name: 'k', kind: 'per-layer', shape: [16] } satisfies StateShape)
void ({ name: 'k', kind: 'window', window: 8, shape: [4, 16] } satisfies StateShape)
// @ts-expect-error a window has a length
void ({ name: 'k', kind: 'window', shape: [4, 16] } satisfies StateShape)
void ({
  ...nothing,
  // @ts-expect-error how many tokens depends on the variant
  sampleTokens: 2048,
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error weights are named, not told by whether they learn
  learnsFirst: () => ({ a: true }),
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error what a type computes must be said
  about: { source: 'a paper' },
} satisfies BlockType)
void ({
  ...nothing,
  // @ts-expect-error variants are listed at once or one by one, not promised
  variants: async () => [{}],
} satisfies BlockType)
// @ts-expect-error without entries nothing would be checked
void ((): unknown => checkBlockType(nothing, {}))
// @ts-expect-error undefined is no JSON
void ({ rank: undefined } satisfies JsonObject)
void ({ rank: [1, '50%', null, { deep: true }] } satisfies JsonObject)

/** What a plugin may do with what it is given. */
export function uses(context: BlockContext, weights: Weights, blocks: Blocks, json: Json): string {
  const { rotary, past, mask } = context
  void ([rotary?.cos, rotary?.sin, past?.k, mask] satisfies (Value | undefined)[])
  // @ts-expect-error there may be no past: at the start of a sequence
  void context.past.k
  // @ts-expect-error there are windows only where a state is of that kind
  void context.windowMasks.k
  // @ts-expect-error a layer may have no rotary embedding
  void context.rotary.cos
  // @ts-expect-error the past is read only
  context.past = {}
  // @ts-expect-error a weight may be absent: biases, for instance
  void weights.up.data
  // @ts-expect-error facts are read only
  context.facts.hidden = 3
  const type = blocks.get('ffn', 'swiglu')
  // @ts-expect-error variants may come one by one: they have no length
  void type.variants(context.facts, {}).length
  // @ts-expect-error weights may have to be waited for
  void type.initialise(weights, context.facts, {}, {}).up
  // @ts-expect-error without its parameters there is no id
  void type.id()
  return digestJson(json)
}
