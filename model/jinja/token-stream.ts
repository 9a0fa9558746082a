import { JinjaError } from './errors.js'
import { tokens, type Blanks, type Token } from './lexer.js'
import { entryOf } from '../../errors/foreign.js'

const described: Readonly<Record<string, string>> = {
  block_begin: 'begin of statement block',
  block_end: 'end of statement block',
  variable_begin: 'begin of print statement',
  variable_end: 'end of print statement',
  data: 'template data / text',
  eof: 'end of template',
}

/** Returns a token's name for messages. */
export const describe = ({ type, value }: Token): string =>
  type === 'name' ? value : (entryOf(described, type) ?? type)

/** A stream of tokens with a current one. */
export class TokenStream {
  private readonly all: readonly Token[]
  private at = 0

  constructor(template: string, blanks?: Blanks) {
    const all = [...tokens(template, blanks)]
    all.push({ type: 'eof', value: '', line: all.at(-1)?.line ?? 1 })
    this.all = all
  }

  get current(): Token {
    return this.all[this.at]!
  }

  /** The token after the current one. */
  get following(): Token {
    return this.all[Math.min(this.at + 1, this.all.length - 1)]!
  }

  next(): Token {
    const token = this.current
    if (this.at < this.all.length - 1) this.at++
    return token
  }

  /** Whether the current token has a type and, if names are given, one of them. */
  is(type: string, ...names: readonly string[]): boolean {
    return this.current.type === type && (names.length === 0 || names.includes(this.current.value))
  }

  skipIf(type: string, ...names: readonly string[]): boolean {
    const isNext = this.is(type, ...names)
    if (isNext) this.next()
    return isNext
  }

  expect(type: string, name?: string): Token {
    if (this.is(type, ...(name === undefined ? [] : [name]))) return this.next()
    const wanted = name ?? entryOf(described, type) ?? type
    throw this.fail(
      this.current.type === 'eof'
        ? `unexpected end of template, expected '${wanted}'.`
        : `expected token '${wanted}', got '${describe(this.current)}'`,
    )
  }

  fail(message: string, line = this.current.line): JinjaError {
    return new JinjaError('syntax', message, line)
  }
}
