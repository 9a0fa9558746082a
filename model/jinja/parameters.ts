import { typeError } from './errors.js'
import { isInt, typeName, Undefined, type Arguments, type KeywordArguments, type Value } from './values.js'
import { asInt } from './numbers.js'

/**
 * Binds arguments to a function's parameters, as Python does.
 * @param spec  `a, b?, *, c?`: parameters with a question mark are optional; those before `/` are positional only, those after
 *              `*` keyword only
 * @throws JinjaError TypeError
 */
export function bind(
  name: string,
  spec: string,
  args: Arguments,
  named: KeywordArguments,
): Readonly<Record<string, Value | undefined>> {
  const parts = spec === '' ? [] : spec.split(', ')
  const slash = parts.indexOf('/')
  const star = parts.includes('*') ? parts.indexOf('*') : parts.length
  const bound: Record<string, Value | undefined> = Object.create(null) as Record<string, Value | undefined>
  const places = parts.filter((part, i) => part !== '/' && i < star)
  if (args.length > places.length)
    throw typeError(`${name}() takes at most ${places.length} arguments (${args.length} given)`)
  args.forEach((value, i) => (bound[places[i]!.replace('?', '')] = value))
  const all = parts.filter((part) => part !== '/' && part !== '*').map((part) => part.replace('?', ''))
  for (const [key, value] of named) {
    if (!all.includes(key) || parts.findIndex((part) => part.replace('?', '') === key) < slash)
      throw typeError(`${name}() got an unexpected keyword argument '${key}'`)
    if (key in bound) throw typeError(`${name}() got multiple values for argument '${key}'`)
    bound[key] = value
  }
  for (const part of parts)
    if (part !== '/' && part !== '*' && !part.endsWith('?') && !(part in bound))
      throw typeError(`${name}() missing required argument: '${part}'`)
  return bound
}

/** Returns a text. @throws JinjaError TypeError for any other value */
export function needText(value: Value | undefined, what: string): string {
  if (typeof value === 'string') return value
  if (value instanceof Undefined) throw typeError(`${what} must be str, not Undefined`)
  throw typeError(`${what} must be str, not ${typeName(value === undefined ? null : value)}`)
}

/** Returns an int, or `otherwise` if there is no value. @throws JinjaError TypeError for any other value */
export function needInt(value: Value | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  if (!isInt(value)) throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`)
  return Number(asInt(value))
}
