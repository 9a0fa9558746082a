import type { ErrorObject } from 'ajv'
import type { Json, JsonObject } from '../api/block.js'
import { findExpressions } from './expressions.js'
import { validatorOf, type Collected } from './keywords.js'
import { explainErrors, type Finding } from './explain-errors.js'
import { pointer, pointerParts } from './source-map.js'
import { parseQuantity } from './units.js'

export interface Checked extends Collected {
  /** A copy with defaults filled in and quantities read. */
  readonly data: JsonObject
  readonly findings: readonly Finding[]
}

/**
 * Checks data against a schema. Numbers may be written as quantities (`50k`, `20%`) wherever a schema wants a number
 * and takes no text; expressions stand for any value.
 * @param name  of the data in messages: `stages.distill`
 * @param owner  whose schema it is
 */
export function checkValue(schema: object, original: JsonObject, name = '', owner = name): Checked {
  const data = structuredClone<JsonObject>(original)
  const expressions = findExpressions(data).map(({ path }) => pointer(path))
  const validate = validatorOf(schema, owner)
  let collected: Collected
  let errors: ErrorObject[]
  do {
    collected = { paths: [], blocks: [], runs: [], requires: [], programs: [] }
    errors = validate.call(collected, data) ? [] : [...(validate.errors ?? [])]
  } while (readNumbers(data, errors))
  const findings = explainErrors(withoutExpressions(errors, expressions), name)
  return { data, findings, ...collected }
}

/** Replaces texts by the numbers they stand for where only numbers are allowed. @returns whether there were any */
function readNumbers(data: JsonObject, errors: readonly ErrorObject[]): boolean {
  let changed = false
  for (const error of errors) {
    if (typeof error.data !== 'string' || !wantsNumber(error)) continue
    const integer = [error.schema].flat().includes('integer')
    const parsed = parseQuantity(integer ? 'count' : 'number', error.data)
    if ('value' in parsed && setValue(data, error.instancePath, parsed.value)) changed = true
  }
  return changed
}

const wantsNumber = ({ keyword, schema }: ErrorObject) =>
  keyword === 'type' && [schema].flat().some((type) => type === 'integer' || type === 'number')

function withoutExpressions(errors: readonly ErrorObject[], expressions: readonly string[]): readonly ErrorObject[] {
  const hides = ({ keyword, instancePath }: ErrorObject) =>
    expressions.some((at) => at === instancePath || (isCompound(keyword) && at.startsWith(`${instancePath}/`)))
  return errors.filter((error) => !hides(error))
}

const isCompound = (keyword: string) => keyword === 'anyOf' || keyword === 'oneOf'

/** Replaces a value in place. @returns false where there is none, or it has that value already */
export function setValue(data: JsonObject, at: string, value: Json): boolean {
  const parts = pointerParts(at)
  const last = parts.pop()
  const parent = parts.reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], data)
  if (last === undefined || typeof parent !== 'object' || parent === null) return false
  const object = parent as Record<string, Json>
  if (object[last] === value) return false
  object[last] = value
  return true
}

/** The value at a pointer, undefined where there is none. */
export function getValue(data: Json, at: string): Json | undefined {
  return pointerParts(at).reduce<Json | undefined>(
    (value, part) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, part)
        ? (value as Record<string, Json>)[part]
        : undefined,
    data,
  )
}
