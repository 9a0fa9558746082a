import type { BlockType, JsonObject } from './block.js'
import { Failure } from '../errors/failure.js'
import { shown } from '../errors/foreign.js'

/** Types in which the matrices of a block can be held in memory. */
export const weightKinds = ['float32', 'int8', 'int4'] as const
/** Type of a block's matrices in memory: float32, or quantised to 8 or 4 bits. */
export type WeightKind = (typeof weightKinds)[number]

/** JSON Schema of the key `weights`, which every entry of a spec's `space` accepts in addition to the block type's keys. */
export const weightsSchema = {
  description:
    'Type of the matrices in memory and in computation: float32, or quantised to 8 (int8) or 4 bits (int4). A list gives one variant for each. Default: float32.',
  oneOf: [
    { enum: [...weightKinds] },
    { type: 'array', minItems: 1, uniqueItems: true, items: { enum: [...weightKinds] } },
  ],
}

/** The parameter that holds the type of a variant's weights. It is reserved: block types never see it. */
const key = 'weights'

/**
 * Returns the type of the matrices of a block with these parameters.
 *
 * @default 'float32'
 */
export function weightsOf(params: JsonObject): WeightKind {
  const kind = params[key] ?? 'float32'
  if (!isWeightKind(kind)) throw new Error(`Internal error: unknown weights ${shown(kind)}`)
  return kind
}

/** Whether a value is a type of weights. */
export const isWeightKind = (value: unknown): value is WeightKind => (weightKinds as readonly unknown[]).includes(value)

/** Returns parameters with another type of weights; float32 is implied and not stored. */
export function withWeights(params: JsonObject, kind: WeightKind): JsonObject {
  const rest = Object.fromEntries(Object.entries(params).filter(([name]) => name !== key))
  return kind === 'float32' ? rest : { ...rest, [key]: kind }
}

/** The types of weights that an entry of the space asks for. */
export const askedWeights = (entry: JsonObject): readonly WeightKind[] =>
  [entry[key] ?? 'float32'].flat() as readonly WeightKind[]

/** Adds the type of weights to a variant's id: `swiglu-256-int4`. */
export const weightsId = (id: string, kind: WeightKind): string => (kind === 'float32' ? id : `${id}-${kind}`)

/** Whether a block type declares the reserved parameter. */
export const claimsWeights = ({ parameters }: { readonly parameters?: unknown }): boolean =>
  Object.hasOwn((parameters as { properties?: object } | undefined)?.properties ?? {}, key)

const extended = new WeakMap<BlockType, BlockType>()

/**
 * Extends a block type by the parameter `weights`: each variant exists for every requested type of weights, and ids include it. The
 * functions of the original type do not see it. The same type always gives the same result.
 *
 * @throws Failure `PluginBug` if the type declares a parameter `weights`
 */
export function withWeightsKey(type: BlockType): BlockType {
  const earlier = extended.get(type)
  if (earlier) return earlier
  if (claimsWeights(type))
    throw new Failure('PluginBug', `The ${type.slot} block type "${type.name}" has a parameter "${key}"`, {
      remedy: 'Rename the parameter: this name is reserved for the type of a block’s weights in memory.',
    })
  const plain = (params: JsonObject) => withWeights(params, 'float32')
  const result: BlockType = {
    ...type,
    *variants(facts, entry) {
      for (const params of type.variants(facts, plain(entry)))
        for (const kind of askedWeights(entry)) yield withWeights(params, kind)
    },
    id: (params) => weightsId(type.id(plain(params)), weightsOf(params)),
    shapes: (facts, params) => type.shapes(facts, plain(params)),
    initialise: (parent, facts, params, statistics) => type.initialise(parent, facts, plain(params), statistics),
    forward: (g, x, weights, params, context) => type.forward(g, x, weights, plain(params), context),
    ...(type.state && { state: (facts, params) => type.state!(facts, plain(params)) }),
    ...(type.sampleTokens && { sampleTokens: (params) => type.sampleTokens!(plain(params)) }),
    ...(type.learnsFirst && { learnsFirst: (params) => type.learnsFirst!(plain(params)) }),
  }
  extended.set(type, result)
  extended.set(result, result)
  return result
}
