import type { BlockType, JsonObject } from './block.js'
import { Failure } from './failure.js'

/** What the matrices of a block are in memory. */
export const weightKinds = ['float32', 'int8', 'int4'] as const
export type WeightKind = (typeof weightKinds)[number]

/** JSON Schema of the key `weights`, which every entry of a spec's `space` can have beside the block type's own. */
export const weightsSchema = {
  description:
    'What the matrices are in memory and computed with: float32, or integers of 8 or 4 bits. A list: variants of each. Default: float32.',
  oneOf: [
    { enum: [...weightKinds] },
    { type: 'array', minItems: 1, uniqueItems: true, items: { enum: [...weightKinds] } },
  ],
}

/** The key of a variant's parameters that says what its weights are. It belongs to puzzleflow: block types never see it. */
const key = 'weights'

/** Integers that the matrices of a block with these parameters are. */
export function weightsOf(params: JsonObject): WeightKind {
  const kind = params[key] ?? 'float32'
  if (!isWeightKind(kind)) throw new Error(`Internal error: weights ${JSON.stringify(kind)}`)
  return kind
}

export const isWeightKind = (value: unknown): value is WeightKind => (weightKinds as readonly unknown[]).includes(value)

/** The parameters with other weights; float32 goes without saying. */
export function withWeights(params: JsonObject, kind: WeightKind): JsonObject {
  const own = Object.fromEntries(Object.entries(params).filter(([name]) => name !== key))
  return kind === 'float32' ? own : { ...own, [key]: kind }
}

/** The kinds of weights that an entry of the space asks for. */
export const askedWeights = (entry: JsonObject): readonly WeightKind[] =>
  [entry[key] ?? 'float32'].flat() as readonly WeightKind[]

/** Id of a variant with such weights: `swiglu-256-int4`. */
export const weightsId = (id: string, kind: WeightKind): string => (kind === 'float32' ? id : `${id}-${kind}`)

/** Whether a block type has a parameter of the name that is puzzleflow's. */
export const claimsWeights = ({ parameters }: { readonly parameters?: unknown }): boolean =>
  Object.hasOwn((parameters as { properties?: object } | undefined)?.properties ?? {}, key)

const known = new WeakMap<BlockType, BlockType>()

/**
 * The block type with the key `weights` among its parameters: its variants are multiplied by it, their ids tell it, and
 * the type's own functions do not see it. The same type always gives the same.
 */
export function withWeightsKey(type: BlockType): BlockType {
  const found = known.get(type)
  if (found) return found
  if (claimsWeights(type))
    throw new Failure('PluginBug', `The ${type.slot} block type "${type.name}" has a parameter "${key}"`, {
      remedy: 'Give it another name: this one says for every block type what its weights are in memory.',
    })
  const own = (params: JsonObject) => withWeights(params, 'float32')
  const made: BlockType = {
    ...type,
    *variants(facts, entry) {
      for (const params of type.variants(facts, own(entry)))
        for (const kind of askedWeights(entry)) yield withWeights(params, kind)
    },
    id: (params) => weightsId(type.id(own(params)), weightsOf(params)),
    shapes: (facts, params) => type.shapes(facts, own(params)),
    initialise: (parent, facts, params, statistics) => type.initialise(parent, facts, own(params), statistics),
    forward: (g, x, weights, params, context) => type.forward(g, x, weights, own(params), context),
    ...(type.state && { state: (facts, params) => type.state!(facts, own(params)) }),
    ...(type.sampleTokens && { sampleTokens: (params) => type.sampleTokens!(own(params)) }),
    ...(type.learnsFirst && { learnsFirst: (params) => type.learnsFirst!(own(params)) }),
  }
  known.set(type, made)
  known.set(made, made)
  return made
}
