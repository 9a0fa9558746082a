import { JinjaError } from './errors.js'
import { blank } from './text.js'
import { pythonEscapes } from './python-escapes.js'
import { entryOf, shown } from '../../errors/foreign.js'

/** A token. Operators and punctuation have their sign as type. */
export interface Token {
  readonly type: string
  readonly value: string
  readonly number?: bigint | number
  readonly line: number
}

const space = new RegExp(`[${blank}]+`, 'y')
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const name = /[\p{ID_Continue}_]+/uy
const string = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy
const operator = /\*\*|\/\/|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y
const onlyBlank = new RegExp(`^[${blank}]+$`)
const raw = new RegExp(`\\{%([-+]?)[${blank}]*raw[${blank}]*(?:-%\\}[${blank}]*|%\\})`, 'y')
/** How tags end. @param behind  what goes with a tag that no sign ends */
const ends = (behind: string) => ({
  raw: new RegExp(`\\{%([-+]?)[${blank}]*endraw[${blank}]*(?:\\+%\\}|-%\\}[${blank}]*|%\\}${behind})`, 'g'),
  comment: new RegExp(`\\+#\\}|-#\\}[${blank}]*|#\\}${behind}`, 'g'),
  block: new RegExp(`\\+%\\}|-%\\}[${blank}]*|%\\}${behind}`, 'y'),
  variable: new RegExp(`-\\}\\}[${blank}]*|\\}\\}`, 'y'),
})

/** Of blanks around tags: `trimmed`, as transformers sets Jinja for chat templates (trim_blocks, lstrip_blocks, and no line end
 *  behind a template), or `kept`, as Jinja does by itself, with keep_trailing_newline. */
export type Blanks = 'trimmed' | 'kept'

const endsWith: Readonly<Record<Blanks, ReturnType<typeof ends>>> = { trimmed: ends('\\n?'), kept: ends('') }
const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** Yields a template's tokens, as Jinja's own lexer does. */
export function* tokens(template: string, blanks: Blanks = 'trimmed'): Generator<Token> {
  const lines = template.replace(/\r\n|\r/g, '\n')
  const text = blanks === 'trimmed' ? lines.replace(/\n$/, '') : lines
  const end = endsWith[blanks]
  let [at, line, lineBegins] = [0, 1, true]
  const fail = (message: string) => new JinjaError('syntax', message, line)
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    return pattern.exec(text)
  }
  const advance = (to: number) => {
    for (let i = text.indexOf('\n', at); i >= 0 && i < to; i = text.indexOf('\n', i + 1)) line++
    lineBegins = to > at ? text[to - 1] === '\n' : lineBegins
    at = to
  }
  const data = (value: string): Token => ({ type: 'data', value, line })
  /** Text before a tag, stripped as the tag's sign requires. */
  const before = (value: string, sign: string, isVariable: boolean): string => {
    if (sign === '-') return trimEnd(value)
    if (sign === '+' || isVariable || blanks === 'kept') return value
    const from = value.lastIndexOf('\n') + 1
    return (from > 0 || lineBegins) && onlyBlank.test(value.slice(from)) ? value.slice(0, from) : value
  }

  while (at < text.length) {
    const open = nextTag(text, at)
    if (open < 0) {
      yield data(text.slice(at))
      return
    }
    const kind = text[open + 1]!
    const sign = /[-+]/.test(text[open + 2] ?? '') ? text[open + 2]! : ''
    const value = before(text.slice(at, open), sign, kind === '{')
    if (value !== '') yield data(value)
    advance(open)
    const rawBegin = kind === '%' ? match(raw) : null
    if (rawBegin) {
      advance(at + rawBegin[0].length)
      end.raw.lastIndex = at
      const closing = end.raw.exec(text)
      // Jinja ignores a raw block that opens at the very end of the text.
      if (!closing && at === text.length) return
      if (!closing) throw fail('Missing end of raw directive')
      const inside = before(text.slice(at, closing.index), closing[1]!, false)
      if (inside !== '') yield data(inside)
      advance(closing.index + closing[0].length)
      continue
    }
    advance(open + 2 + sign.length)
    if (kind === '#') {
      end.comment.lastIndex = at
      const found = end.comment.exec(text)
      if (!found && at === text.length) return
      if (!found) throw fail('Missing end of comment tag')
      advance(found.index + found[0].length)
    } else yield* inside(kind === '{' ? 'variable' : 'block')
  }

  function* inside(kind: 'block' | 'variable'): Generator<Token> {
    yield { type: `${kind}_begin`, value: '', line }
    const open: string[] = []
    for (;;) {
      const over = open.length === 0 ? match(end[kind]) : null
      if (over) {
        yield { type: `${kind}_end`, value: '', line }
        advance(at + over[0].length)
        return
      }
      // The parser reports what is still open at the end of the text.
      if (at >= text.length) return
      const between = match(space)
      if (between) {
        advance(at + between[0].length)
        continue
      }
      const token = word(open)
      yield token.token
      advance(at + token.length)
    }
  }

  function word(open: string[]): { token: Token; length: number } {
    const token = (type: string, value: string, length: number, number?: bigint | number) => ({
      token: { type, value, line, ...(number !== undefined && { number }) },
      length,
    })
    const real = match(float)
    if (real) return token('float', real[0], real[0].length, Number(real[0].replace(/_/g, '')))
    const whole = match(integer)
    if (whole) return token('integer', whole[0], whole[0].length, BigInt(whole[0].replace(/_/g, '')))
    const named = match(name)
    if (named) {
      if (!/^[\p{ID_Start}_]/u.test(named[0])) throw fail('Invalid character in identifier')
      return token('name', named[0], named[0].length)
    }
    const quoted = match(string)
    if (quoted) return token('string', unescaped(quoted[0].slice(1, -1), fail), quoted[0].length)
    const sign = match(operator)?.[0]
    if (sign === undefined) throw fail(`unexpected char ${shown(text[at])} at ${at}`)
    const end = entryOf(closing, sign)
    if (end !== undefined) open.push(end)
    else if (')]}'.includes(sign)) {
      const expected = open.pop()
      if (expected !== sign) throw fail(`unexpected '${sign}'${expected ? `, expected '${expected}'` : ''}`)
    }
    return token(sign, sign, sign.length)
  }
}

/** Removes trailing whitespace. A regular expression would take quadratic time for long runs of it. */
function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && onlyBlank.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** Index of the next `{%`, `{{` or `{#`; -1 if there is none. */
function nextTag(text: string, from: number): number {
  for (let at = text.indexOf('{', from); at >= 0; at = text.indexOf('{', at + 1))
    if ('%{#'.includes(text[at + 1] ?? ' ')) return at
  return -1
}

/** Decodes a literal like Python's "unicode-escape", for which all characters but ASCII are escaped first, even after a
 *  backslash. */
function unescaped(text: string, fail: (message: string) => JinjaError): string {
  if (!text.includes('\\')) return text
  const ascii = text.replace(/[^\0-\x7f]/gu, (char) => {
    const code = char.codePointAt(0)!
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
  })
  return ascii.replace(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[^])/g, (whole, escape: string) => {
    const first = escape[0]!
    if (escape.length > 1 && 'xuU'.includes(first)) {
      const code = Number.parseInt(escape.slice(1), 16)
      if (code > 0x10ffff) throw fail('illegal Unicode character')
      return String.fromCodePoint(code)
    }
    if (/[0-7]/.test(first)) return String.fromCodePoint(Number.parseInt(escape, 8))
    if ('xuU'.includes(first)) throw fail(`truncated \\${first} escape`)
    if (first === 'N') throw new JinjaError('unsupported', 'the escape \\N of a character by its name is not supported')
    return entryOf(pythonEscapes, escape) ?? whole
  })
}
