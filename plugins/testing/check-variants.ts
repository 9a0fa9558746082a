import { isDeepStrictEqual } from 'node:util'
import { Failure, type BlockType, type JsonObject, type LayerFacts } from '../api/index.js'
import type { Measure } from './report.js'

/** The variants of a parent: `undefined` where the parent cannot have an entry's. */
export function listVariants(type: BlockType, facts: LayerFacts, entry: JsonObject): JsonObject[] | undefined {
  try {
    return [...type.variants(facts, { block: type.name, ...entry })]
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** Names of variants and what is stored of them. */
export function checkVariants(type: BlockType, facts: LayerFacts, entries: readonly JsonObject[]): Measure[] {
  const list = () => entries.flatMap((entry) => listVariants(type, facts, entry) ?? [])
  const variants = list()
  const count = (wrong: (params: JsonObject) => boolean) => variants.filter(wrong).length
  const byId = new Map(variants.map((params) => [type.id(params), params]))
  return [
    { what: 'variants are the same when asked again', figure: isDeepStrictEqual(variants, list()) ? 0 : 1, allowed: 0 },
    {
      what: 'parameters are JSON, and come back from it as they were',
      figure: count((params) => !isDeepStrictEqual(JSON.parse(JSON.stringify(params)), params)),
      allowed: 0,
    },
    {
      what: 'no parameter is named "block", which checkpoints write beside them',
      figure: count((p) => 'block' in p),
      allowed: 0,
    },
    {
      what: 'ids are letters, digits, ".", "_" and "-": files are named after them',
      figure: count((params) => !/^[\w.-]+$/.test(type.id(params))),
      allowed: 0,
    },
    {
      what: 'variants with other parameters have other ids',
      figure: count((params) => !isDeepStrictEqual(byId.get(type.id(params)), params)),
      allowed: 0,
    },
  ]
}
