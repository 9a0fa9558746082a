import { Failure } from '../../api/index.js'
import { pythonEscapes } from '../../model/jinja/python-escapes.js'
import { entryOf, shown } from '../../errors/foreign.js'

/** A value that Python's `ast.literal_eval` reads here: texts, numbers, None, True, False, and lists or tuples of them. */
export type Literal = string | number | boolean | null | readonly Literal[]

const mostDepth = 20
const number = /[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y
const words = new Map<string, Literal>([
  ['None', null],
  ['True', true],
  ['False', false],
])

/** Reads what Python writes of a list (`repr`). @throws Failure InvalidInput */
export function pythonLiteral(text: string): Literal {
  let at = 0
  const bad = () =>
    new Failure('InvalidInput', `is not a Python literal at character ${at + 1}: ${shown(text.slice(at, at + 20))}`)
  const blank = () => {
    while (at < text.length && /\s/.test(text[at]!)) at++
  }
  const string = (): string => {
    const quote = text[at++]!
    const long = text.startsWith(quote.repeat(2), at) ? quote.repeat(3) : ''
    if (long !== '') at += 2
    const end = long === '' ? quote : long
    let found = ''
    while (!text.startsWith(end, at)) {
      const char = text[at++]
      if (char === undefined || (char === '\n' && long === '')) throw bad()
      found += char === '\\' ? escaped() : char
    }
    at += end.length
    return found
  }
  const escaped = (): string => {
    const rest = /^(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3}))/.exec(text.slice(at, at + 9))
    if (rest) {
      at += rest[0].length
      const [, x, u, long, octal] = rest
      const code = octal === undefined ? Number.parseInt((x ?? u ?? long)!, 16) : Number.parseInt(octal, 8)
      if (code > 0x10ffff) throw bad()
      return String.fromCodePoint(code)
    }
    const char = text[at++]
    if (char === undefined || 'xuUN'.includes(char)) throw bad()
    return entryOf(pythonEscapes, char) ?? `\\${char}`
  }
  const value = (depth: number): Literal => {
    blank()
    const first = text[at]
    if (first === undefined || depth > mostDepth) throw bad()
    if (first === '[' || first === '(') return items(first === '[' ? ']' : ')', depth)
    if (first === "'" || first === '"') {
      let found = string()
      // Texts beside each other are one.
      for (blank(); text[at] === "'" || text[at] === '"'; blank()) found += string()
      return found
    }
    for (const [word, meant] of words)
      if (text.startsWith(word, at) && !/\w/.test(text[at + word.length] ?? ' ')) {
        at += word.length
        return meant
      }
    number.lastIndex = at
    const [digits] = number.exec(text) ?? []
    if (digits === undefined) throw bad()
    at += digits.length
    return Number(digits)
  }
  const items = (end: string, depth: number): Literal => {
    at++
    const found: Literal[] = []
    let commas = 0
    for (;;) {
      blank()
      if (text[at] === end) break
      found.push(value(depth + 1))
      blank()
      if (text[at] === end) break
      if (text[at] !== ',') throw bad()
      at++
      commas++
    }
    at++
    return end === ')' && found.length === 1 && commas === 0 ? found[0]! : found
  }
  const found = value(0)
  blank()
  if (at < text.length) throw bad()
  return found
}
