import { Ajv2020 } from 'ajv/dist/2020.js'
import { isDeepStrictEqual } from 'node:util'
import { Failure, type BlockType, type JsonObject, type LayerFacts } from '../../api/index.js'
import type { Measure } from './report.js'

/** Lists the variants of an entry; undefined if the type rejects it for this parent. */
export function listVariants(type: BlockType, facts: LayerFacts, entry: JsonObject): JsonObject[] | undefined {
  try {
    return [...type.variants(facts, { block: type.name, ...entry })]
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** Checks the ids and parameters of variants. */
export function checkVariants(type: BlockType, facts: LayerFacts, entries: readonly JsonObject[]): Measure[] {
  const list = () => entries.flatMap((entry) => listVariants(type, facts, entry) ?? [])
  const variants = list()
  const count = (wrong: (params: JsonObject) => boolean) => variants.filter(wrong).length
  const wrong = entries.flatMap((entry) => schemaErrors(type, entry))
  const byId = new Map(variants.map((params) => [type.id(params), params]))
  return [
    {
      what: `entries match the schema in \`parameters\`${wrong.map((text) => `; ${text}`).join('')}`,
      figure: wrong.length,
      allowed: 0,
    },
    {
      what: '`sampleTokens` is a non-negative integer',
      figure: count((params) => !isCount(type.sampleTokens?.(params) ?? 0)),
      allowed: 0,
    },
    { what: 'variants are the same on a second call', figure: isDeepStrictEqual(variants, list()) ? 0 : 1, allowed: 0 },
    {
      what: 'parameters are JSON and survive a round trip',
      figure: count((params) => !isDeepStrictEqual(JSON.parse(JSON.stringify(params)), params)),
      allowed: 0,
    },
    {
      what: 'no parameter is named "block", which checkpoints reserve',
      figure: count((p) => 'block' in p),
      allowed: 0,
    },
    {
      what: 'ids consist of letters, digits, ".", "_" and "-", as they become file names',
      figure: count((params) => !/^[\w.-]+$/.test(type.id(params))),
      allowed: 0,
    },
    {
      what: 'variants with different parameters have different ids',
      figure: count((params) => !isDeepStrictEqual(byId.get(type.id(params)), params)),
      allowed: 0,
    },
  ]
}

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0

/** Errors of an entry, without `block:`, against the type's schema. */
function schemaErrors(type: BlockType, entry: JsonObject): string[] {
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(type.parameters)
  if (validate(entry)) return []
  return (validate.errors ?? []).map(
    ({ instancePath, message }) => `${JSON.stringify(entry)}: ${[instancePath, message].filter(Boolean).join(' ')}`,
  )
}
