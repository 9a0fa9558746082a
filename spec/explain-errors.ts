import type { ErrorObject } from 'ajv'
import { isSlow } from './bounded-pattern.js'
import { suggest } from './diagnostics.js'
import { because } from './keywords.js'
import type { Problem } from './site.js'
import { pointer, pointerParts } from './source-map.js'
import { parseQuantity } from './units.js'
import { entryOf, shown } from '../errors/foreign.js'

/** A mistake in checked data. */
export interface Finding extends Problem {
  /** JSON pointer. */
  readonly at: string
  readonly where: 'key' | 'value'
}

/**
 * Says in words what a validator found. Of alternatives of which none fits, only the most telling mistake is kept.
 * @param name  of the data: `stages.distill`
 */
export function explainErrors(errors: readonly ErrorObject[], name: string): readonly Finding[] {
  const direct = errors.filter((e) => e.keyword !== 'if' && e.propertyName === undefined)
  const compounds = direct
    .filter((e) => e.keyword === 'anyOf' || e.keyword === 'oneOf')
    .sort((a, b) => a.instancePath.length - b.instancePath.length)
  const left = new Set(direct)
  const findings: Finding[] = []
  for (const compound of compounds) {
    if (!left.has(compound)) continue
    const members = [...left].filter((e) => belongs(e, compound))
    for (const member of members) left.delete(member)
    findings.push(explainAlternatives(members, compound, name))
  }
  for (const error of left) findings.push(explain(error, name))
  return findings
}

function belongs(error: ErrorObject, compound: ErrorObject): boolean {
  if (error === compound) return true
  if (compound.instancePath === '') return error.schemaPath.startsWith(`${compound.schemaPath}/`)
  return error.instancePath === compound.instancePath || error.instancePath.startsWith(`${compound.instancePath}/`)
}

function explainAlternatives(members: readonly ErrorObject[], compound: ErrorObject, name: string): Finding {
  const simple = members.filter((e) => e.keyword !== 'anyOf' && e.keyword !== 'oneOf')
  const depth = Math.max(...simple.map((e) => pointerParts(e.instancePath).length))
  const deepest = simple.filter((e) => pointerParts(e.instancePath).length === depth)
  const telling = deepest.find((e) => e.keyword !== 'type' && e.keyword !== 'const' && e.keyword !== 'enum')
  if (telling) return explain(telling, name)
  const [first] = deepest
  if (!first) return explain(compound, name)
  const constants = deepest.flatMap((e) => (e.keyword === 'const' ? [e.schema] : e.keyword === 'enum' ? e.schema : []))
  const types = deepest.flatMap((e) => (e.keyword === 'type' ? [e.schema].flat() : [])) as string[]
  const wanted = [...new Set([...constants.map((c) => shown(c)), ...types.map(typeName)])]
  return {
    at: first.instancePath,
    where: 'value',
    code: types.length > 0 ? 'wrong-type' : 'wrong-value',
    message: `${subject(first.instancePath, name)} must be ${wanted.join(' or ')}, not ${show(first.data)}.`,
    hint: typeof first.data === 'string' ? nearestConstant(first.data, constants) : undefined,
  }
}

function explain(error: ErrorObject, name: string): Finding {
  const { keyword, instancePath: at, schema, data, message = 'is wrong', params } = error
  const parent = (error.parentSchema ?? {}) as { properties?: object; description?: string; reason?: string }
  const named = subject(at, name)
  const value = (code: string, text: string, hint?: string): Finding => ({
    at,
    where: 'value',
    code,
    message: text,
    hint,
  })
  switch (keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const { additionalProperty, unevaluatedProperty } = params as Record<string, string>
      const key = additionalProperty ?? unevaluatedProperty ?? ''
      return {
        at: at + pointer([key]),
        where: 'key',
        code: 'unknown-key',
        message: at === '' && name === '' ? `Unknown key "${key}".` : `${named} has no key "${key}".`,
        hint: suggest(key, Object.keys(parent.properties ?? {})),
      }
    }
    case 'required': {
      const key = (params as { missingProperty: string }).missingProperty
      const text = at === '' && name === '' ? `The key "${key}" is missing.` : `${named} lacks the key "${key}".`
      return { at, where: 'key', code: 'missing-key', message: text }
    }
    case 'propertyNames': {
      const key = (params as { propertyName: string }).propertyName
      const text = `"${key}" is not a valid name: use letters, digits, - and _, and begin with a letter.`
      return { at: at + pointer([key]), where: 'key', code: 'wrong-value', message: text }
    }
    case 'type': {
      const types = [schema].flat() as string[]
      const unit = unitProblem(types, data)
      if (unit) return value('wrong-unit', `${named}: ${unit.error}`, unit.hint)
      return value('wrong-type', `${named} must be ${types.map(typeName).join(' or ')}, not ${show(data)}.`)
    }
    case 'enum':
    case 'const': {
      const constants = (keyword === 'enum' ? schema : [schema]) as unknown[]
      const list = constants.map((c) => shown(c)).join(', ')
      const hint = typeof data === 'string' && constants.length > 1 ? nearestConstant(data, constants) : undefined
      const allowed = constants.length === 1 ? list : `one of ${list}`
      return value('wrong-value', `${named} must be ${allowed}, not ${show(data)}.`, hint)
    }
    case 'quantity':
      return value('wrong-unit', `${named}: ${message}`, (params as { hint?: string }).hint)
    case 'format':
      return value('wrong-value', `${named} ${message}`)
    case 'minProperties':
      return value(
        'wrong-value',
        `${named} has no keys.`,
        `allowed: ${Object.keys(parent.properties ?? {}).join(', ')}`,
      )
    case 'false schema':
      return value('unknown-key', `${named} is not allowed.`)
    case 'pattern':
      if (isSlow(schema as string))
        return value('wrong-schema', `${named} takes more than a second to match against the pattern ${show(schema)}.`)
      return value('wrong-value', `${named} has the wrong form: ${show(data)}.`, parent.description)
    case 'minimum':
    case 'exclusiveMinimum':
      return value('out-of-range', `${named} ${message}, not ${show(data)}.`)
    case 'maxItems':
    case 'maxProperties': {
      const count = Object.keys(data as object).length
      const text = `${named} has ${count} entries; at most ${schema as number} are possible${because(parent)}.`
      return value('too-many-entries', text)
    }
    case 'uniqueItems': {
      const { i } = params as { i: number }
      const twice = { at: at + pointer([String(i)]), where: 'value', code: 'wrong-value' } as const
      return { ...twice, message: `${named} lists ${show((data as unknown[])[i])} twice.` }
    }
    case 'maximum':
    case 'exclusiveMaximum':
      return value('out-of-range', `${named} ${message}, not ${show(data)}${because(parent)}.`)
    default:
      return value('wrong-value', `${named} ${message}.`)
  }
}

/** A text that begins like a number where a number is wanted: the unit is at fault. */
function unitProblem(types: readonly string[], data: unknown): { error: string; hint: string } | undefined {
  if (typeof data !== 'string' || !/^\s*\d/.test(data)) return undefined
  const kind = types.includes('integer') ? 'count' : types.includes('number') ? 'number' : undefined
  const parsed = kind && parseQuantity(kind, data)
  return parsed && 'error' in parsed ? parsed : undefined
}

function nearestConstant(data: string, constants: readonly unknown[]): string | undefined {
  const hint = suggest(
    data,
    constants.filter((c) => typeof c === 'string'),
  )
  return hint?.startsWith('did you mean') ? hint : undefined
}

/** `data.train` for a pointer, continuing the name of the data. */
function subject(at: string, name: string): string {
  return [...(name === '' ? [] : [name]), ...pointerParts(at)].join('.') || 'The document'
}

const typeNames: Readonly<Record<string, string>> = {
  object: 'a map',
  array: 'a list',
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'empty',
}
const typeName = (type: string) => entryOf(typeNames, type) ?? type

function show(data: unknown): string {
  if (data === null) return 'empty'
  if (Array.isArray(data)) return 'a list'
  if (typeof data === 'object') return 'a map'
  return shown(data)
}
