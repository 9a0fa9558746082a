import { Ajv2020 } from 'ajv/dist/2020.js'
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
  const wrong = entries.flatMap((entry) => schemaErrors(type, entry))
  const byId = new Map(variants.map((params) => [type.id(params), params]))
  return [
    {
      what: `entries are what \`parameters\` says that a spec may write${wrong.map((text) => `; ${text}`).join('')}`,
      figure: wrong.length,
      allowed: 0,
    },
    {
      what: '`sampleTokens` is a whole number, 0 or more',
      figure: count((params) => !isCount(type.sampleTokens?.(params) ?? 0)),
      allowed: 0,
    },
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

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0

/** What the type's own schema says against an entry: it is of what stands beside `block:`. */
function schemaErrors(type: BlockType, entry: JsonObject): string[] {
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(type.parameters)
  if (validate(entry)) return []
  return (validate.errors ?? []).map(
    ({ instancePath, message }) => `${JSON.stringify(entry)}: ${[instancePath, message].filter(Boolean).join(' ')}`,
  )
}
