import type { JsonProblem } from './json-check.js'
import { jsonProblem } from './json-check.js'
import { longestLine } from './text-files.js'

/** The text of one JSON value within a file. */
export interface JsonText {
  /** Text of one value, which may not be valid JSON. */
  readonly text: string
  /** Line where it begins, counted from 1. */
  readonly line: number
  readonly column: number
  /** A known error in it or next to it. */
  readonly problem?: JsonProblem
}

/**
 * Divides a file into the texts of its JSON values: a sequence of values separated by whitespace, or the items of lists. The
 * inside of a value is not checked; a value ends at the latest with a line break inside a string.
 * @param most  largest number of characters of a value
 */
export async function* jsonTexts(chunks: AsyncIterable<string>, most = longestLine): AsyncGenerator<JsonText> {
  const splitter = new Splitter(most)
  for await (const chunk of chunks) yield* splitter.add(chunk)
  yield* splitter.end()
}

class Splitter {
  constructor(private readonly most: number) {}

  private line = 1
  private column = 1
  /** Parts of the value that has begun. */
  private held: string[] = []
  private size = 0
  private start = { line: 1, column: 1 }
  private within: 'nothing' | 'structure' | 'string' | 'word' = 'nothing'
  private depth = 0
  private inString = false
  private escaped = false
  /** Whether the values are in a list, and what comes next in it. */
  private list: 'none' | 'first' | 'item' | 'comma' = 'none'

  private advance(text: string): void {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.line++
    const last = text.lastIndexOf('\n')
    this.column = last === -1 ? this.column + text.length : text.length - last
  }

  *add(chunk: string): Generator<JsonText> {
    let at = 0
    while (at < chunk.length) {
      if (this.within === 'nothing') {
        const next = this.between(chunk, at)
        if (typeof next !== 'number') yield next
        at = typeof next === 'number' ? next : chunk.length
        continue
      }
      const end = this.within === 'word' ? wordEnd(chunk, at) : this.valueEnd(chunk, at)
      const part = chunk.slice(at, end ?? chunk.length)
      this.held.push(part)
      this.size += part.length
      this.advance(part)
      at += part.length
      if (end !== undefined) yield this.finish()
      else if (this.size > this.most) yield this.tooLong()
    }
  }

  *end(): Generator<JsonText> {
    if (this.within !== 'nothing') yield this.finish()
    else if (this.list !== 'none') yield this.wrong('is not JSON: the end where , or ] should be')
  }

  /** Reads what is between values. @returns the index where to continue, or an error */
  private between(chunk: string, from: number): number | JsonText {
    const space = /[ \t\r\n]*/y
    space.lastIndex = from
    const { length } = space.exec(chunk)![0]
    this.advance(chunk.slice(from, from + length))
    const at = from + length
    const first = chunk[at]
    if (first === undefined) return at
    const { list } = this
    const opens = first === '[' && list === 'none'
    const closes = first === ']' && (list === 'first' || list === 'comma')
    if (opens || closes || (first === ',' && list === 'comma')) {
      this.list = opens ? 'first' : closes ? 'none' : 'item'
      this.column++
      return at + 1
    }
    if (list === 'comma') return this.wrong(`is not JSON: ${first} where , or ] should be`)
    if (',]}:'.includes(first)) return this.wrong(`is not JSON: ${first} where a value should be`)
    this.start = { line: this.line, column: this.column }
    ;[this.depth, this.inString, this.escaped] = [0, false, false]
    this.within = first === '{' || first === '[' ? 'structure' : first === '"' ? 'string' : 'word'
    return at
  }

  /** Finds the end of a list, an object or a string; undefined if it is not in this chunk. */
  private valueEnd(chunk: string, from: number): number | undefined {
    let at = from
    while (at < chunk.length) {
      if (this.escaped) {
        this.escaped = false
        at++
        continue
      }
      const next = this.inString ? /["\\\n]/g : /["{}[\]]/g
      next.lastIndex = at
      const found = next.exec(chunk)
      if (!found) return undefined
      at = found.index + 1
      switch (found[0]) {
        case '\\':
          this.escaped = true
          break
        case '\n':
          return found.index
        case '"':
          this.inString = !this.inString
          if (!this.inString && this.depth === 0) return at
          break
        case '{':
        case '[':
          this.depth++
          break
        default:
          if (--this.depth === 0) return at
      }
    }
    return undefined
  }

  private finish(): JsonText {
    const text = this.held.join('')
    ;[this.held, this.size, this.within] = [[], 0, 'nothing']
    if (this.list !== 'none') this.list = 'comma'
    return { text, ...this.start }
  }

  private tooLong(): JsonText {
    const { text, ...start } = this.finish()
    const known = jsonProblem(text)
    const key = /^\{\s*("(?:[^"\\]|\\.){1,100}")\s*:\s*\[/.exec(text)?.[1]
    const tooLong = {
      at: 0,
      message: `is longer than ${this.most} characters${key ? `; it begins with a list in ${key}` : ''}`,
    }
    // If only its end is missing, the value is too long; otherwise its first error counts.
    return { text, ...start, problem: known && known.at < text.length ? known : tooLong }
  }

  private wrong(message: string): JsonText {
    return { text: '', line: this.line, column: this.column, problem: { at: 0, message } }
  }
}

function wordEnd(chunk: string, from: number): number | undefined {
  const end = /[\s,\]]/g
  end.lastIndex = from
  return end.exec(chunk)?.index
}
