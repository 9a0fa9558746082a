import { unsupported } from './errors.js'
import { nested, read } from './meter.js'
import { floatText, intText } from './numbers.js'
import { Dict, DictView, List, Markup, Namespace, Range, Tuple, typeName, Undefined, type Value } from './values.js'
import { entryOf } from '../../errors/foreign.js'

/** Writes a value as Python's `str` does. */
export function str(value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Undefined) {
    value.passes()
    return ''
  }
  if (value instanceof Markup) return value.text
  return repr(value)
}

/** Writes a value as Python's `repr` does. */
export function repr(value: Value): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'bigint') return intText(value)
  if (typeof value === 'number') return floatText(value)
  if (typeof value === 'string') return quoted(value)
  return nested(() => ofMany(value))
}

function ofMany(value: Exclude<Value, null | boolean | bigint | number | string>): string {
  if (value instanceof List) return `[${value.items.map(repr).join(', ')}]`
  if (value instanceof Tuple) return `(${value.items.map(repr).join(', ')}${value.items.length === 1 ? ',' : ''})`
  if (value instanceof Dict) return ofPairs(value.pairs())
  if (value instanceof Range) return `range(${value.start}, ${value.stop}${value.step === 1n ? '' : `, ${value.step}`})`
  if (value instanceof DictView) return `dict_${value.of}([${value.list().map(repr).join(', ')}])`
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return `<Namespace ${ofPairs([...value.attributes])}>`
  if (value instanceof Markup) return `Markup(${quoted(value.text)})`
  // Python would write its address in memory.
  throw unsupported(`a ${typeName(value)} written as text`)
}

const ofPairs = (pairs: readonly (readonly [Value, Value])[]): string =>
  `{${pairs.map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`

const short: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
// Characters that Python escapes: all but letters, marks, numbers, punctuation, symbols and the plain space.
const unprintable = /[\p{C}\p{Z}]/u

function quoted(text: string): string {
  const quote = read(text).includes("'") && !text.includes('"') ? '"' : "'"
  let escapedText = ''
  for (const char of text) {
    const known = entryOf(short, char)
    if (char === quote) escapedText += `\\${char}`
    else if (known !== undefined) escapedText += known
    else if (char !== ' ' && unprintable.test(char)) escapedText += escaped(char.codePointAt(0)!)
    else escapedText += char
  }
  return quote + escapedText + quote
}

const escaped = (code: number): string =>
  code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : code < 0x10000
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : `\\U${code.toString(16).padStart(8, '0')}`
