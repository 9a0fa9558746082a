import { shown } from '../errors/foreign.js'

/** An error in a JSON text, and its index in the text. */
export interface JsonProblem {
  readonly at: number
  readonly message: string
}

/** Largest depth of nested lists and objects: what templates and conversations can hold (model/jinja/json.ts). */
const deepest = 500

/**
 * Finds the first error that keeps a text from being an unambiguous JSON value: syntax outside the standard (NaN, single
 * quotes), duplicate keys, unpaired surrogates, NUL, numbers too large for a double. Undefined if there is none.
 */
export function jsonProblem(text: string): JsonProblem | undefined {
  try {
    new Check(text).whole()
    return undefined
  } catch (error) {
    if (error instanceof Found) return { at: error.at, message: error.message }
    throw error
  }
}

class Found extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message)
  }
}

const space = /[ \t\r\n]*/y
const plainCharacters = /[^"\\\u0000-\u001f]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y
const word = /[-+]?[\p{L}\p{N}_.+-]+/uy

class Check {
  private at = 0

  constructor(private readonly text: string) {}

  whole(): void {
    this.value(0)
    if (this.at < this.text.length) throw this.notJson(`${this.shown()} after its end`)
  }

  private value(depth: number): void {
    this.skip(space)
    const { text, at } = this
    const first = text[at]
    if (first === '{' || first === '[') {
      if (depth === deepest) throw this.notJson(`more than ${deepest} nested lists and objects`)
      this.at++
      if (first === '{') this.object(depth)
      else this.list(depth)
    } else if (first === '"') this.string()
    else if (!this.literal()) throw this.unknown()
    this.skip(space)
  }

  private list(depth: number): void {
    if (this.ends(']')) return
    do this.value(depth + 1)
    while (this.goesOn(']'))
  }

  private object(depth: number): void {
    const keys = new Set<string>()
    if (this.ends('}')) return
    do {
      this.skip(space)
      const { at } = this
      if (this.text[at] !== '"') throw this.notJson(`${this.shown()} where a key in double quotes should be`)
      this.string()
      const key = JSON.parse(this.text.slice(at, this.at)) as string
      if (keys.has(key)) throw new Found(at, `has the key ${shown(key)} twice`)
      keys.add(key)
      this.skip(space)
      if (this.text[this.at] !== ':') throw this.notJson(`${this.shown()} where : should be`)
      this.at++
      this.value(depth + 1)
    } while (this.goesOn('}'))
  }

  private ends(end: ']' | '}'): boolean {
    this.skip(space)
    if (this.text[this.at] !== end) return false
    this.at++
    return true
  }

  private goesOn(end: ']' | '}'): boolean {
    if (this.ends(end)) return false
    if (this.text[this.at] !== ',') throw this.notJson(`${this.shown()} where , or ${end} should be`)
    this.at++
    return true
  }

  private string(): void {
    const { text } = this
    this.at++
    for (;;) {
      this.skip(plainCharacters)
      const next = text[this.at]
      if (next === '"') break
      if (next !== '\\')
        throw this.notJson(
          next === undefined || next === '\n' ? 'an unterminated string' : `${this.shown()} in a string`,
        )
      this.escape()
    }
    this.at++
  }

  private escape(): void {
    const { text, at } = this
    const letter = text[at + 1]
    if (letter !== 'u') {
      if (letter === undefined || !'"\\/bfnrt'.includes(letter)) throw this.notJson(`\\${letter ?? ''} in a string`)
      this.at += 2
      return
    }
    const code = this.unit(at)
    if (code === undefined) throw this.notJson('\\u without four hexadecimal digits')
    if (code === 0) throw new Found(at, 'has a NUL character')
    const pair = code >= 0xd800 && code < 0xdc00 ? this.unit(at + 6) : undefined
    const whole = pair !== undefined && pair >= 0xdc00 && pair < 0xe000
    if (code >= 0xd800 && code < 0xe000 && !whole)
      throw new Found(at, `has an unpaired surrogate: ${text.slice(at, at + 6)}`)
    this.at += whole ? 12 : 6
  }

  /** Reads the code unit of `\uXXXX`; undefined if it is incomplete. */
  private unit(at: number): number | undefined {
    const digits = /^\\u([\da-fA-F]{4})$/.exec(this.text.slice(at, at + 6))
    return digits ? parseInt(digits[1]!, 16) : undefined
  }

  private literal(): boolean {
    const { text, at } = this
    for (const name of ['true', 'false', 'null'])
      if (text.startsWith(name, at) && !/[\w.+-]/.test(text[at + name.length] ?? '')) {
        this.at += name.length
        return true
      }
    const size = this.skip(number)
    if (size > 0 && !Number.isFinite(Number(text.slice(at, this.at))))
      throw new Found(at, `has the number ${short(text.slice(at, this.at))}, which is too large`)
    return size > 0
  }

  private unknown(): Found {
    const { at } = this
    const size = this.skip(word)
    this.at = at
    return this.notJson(size > 0 ? short(this.text.slice(at, at + size)) : `${this.shown()} where a value should be`)
  }

  /** @returns the number of characters that were skipped */
  private skip(pattern: RegExp): number {
    pattern.lastIndex = this.at
    const { length } = pattern.exec(this.text)?.[0] ?? ''
    this.at += length
    return length
  }

  /** Describes the current character for messages. */
  private shown(): string {
    const code = this.text.codePointAt(this.at)
    if (code === undefined) return 'the end'
    return code < 0x20 ? `the control character ${code}` : String.fromCodePoint(code)
  }

  private notJson(message: string): Found {
    return new Found(this.at, `is not JSON: ${message}`)
  }
}

const short = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text)
