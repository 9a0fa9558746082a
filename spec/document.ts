import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseDocument,
  visit,
  type Alias,
  type Document,
  type Node,
  type Pair,
  type Scalar,
} from 'yaml'
import type { Json, JsonObject } from '../api/block.js'
import { sortDiagnostics, type Diagnostic } from './diagnostics.js'
import { pointer, SourceMap, type Range } from './source-map.js'
import { explainTraps } from './traps.js'
import { explainYaml } from './yaml-errors.js'

/** A parsed YAML text with the place of every key and value. */
export interface SourceDocument {
  readonly file: string
  readonly text: string
  /** The root map; {} when the text has none (then there are diagnostics). */
  readonly data: JsonObject
  readonly map: SourceMap
  readonly diagnostics: readonly Diagnostic[]
  /** The data does not reflect the text, so checking it would report false mistakes. */
  readonly unreadable: boolean
}

/** Largest text to read, in bytes. */
export const maximumBytes = 1024 * 1024
/** Aliases (`*name`) in a text, and the nodes that all of them together may stand for. */
export const maxAliasCount = 100
const maxAliasedNodes = 10_000
const maxDepth = 64
/** Most words, symbols and spaces of a text. */
const mostLexemes = 50_000

/**
 * Reads YAML 1.2 with the core schema into plain data. Duplicate keys, custom tags, several documents, keys that
 * are not strings, and too many aliases are diagnostics.
 */
export function readDocument(file: string, text: string): SourceDocument {
  const empty = (diagnostic: Diagnostic): SourceDocument => ({
    file,
    text,
    data: {},
    map: new SourceMap(file),
    diagnostics: [diagnostic],
    unreadable: true,
  })
  const bytes = Buffer.byteLength(text)
  if (bytes > maximumBytes)
    return empty({
      file,
      line: 1,
      column: 1,
      code: 'too-large',
      message: `The text has ${bytes} bytes; the limit is ${maximumBytes} (1 MiB).`,
    })

  if (isFlood(text)) {
    const message = `The text has more than ${mostLexemes} words and symbols.`
    return empty({ file, line: 1, column: 1, code: 'too-large', message })
  }

  const lines = new LineCounter()
  let document: Document.Parsed
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      lineCounter: lines,
      uniqueKeys: false,
      strict: true,
      prettyErrors: false,
      logLevel: 'error',
    })
  } catch (error) {
    // The parser is recursive: only hostile nesting gets here.
    const message = error instanceof RangeError ? 'The text is nested too deeply.' : String(error)
    return empty({ file, line: 1, column: 1, code: 'yaml-syntax', message })
  }
  return new Reader(file, text, document, lines).read()
}

/** Whether a text has more of YAML's symbols than any spec: the parser would take long to report each. */
function isFlood(text: string): boolean {
  const lexemes = new Lexer().lex(text)
  for (let count = 0; count <= mostLexemes; count++) if (lexemes.next().done) return false
  return true
}

const copyKeys = 'write its keys here: an alias stands for a whole value (key: *name)'

/** Mistakes that leave the rest of the text readable. */
const harmless = ['duplicate-key', 'unknown-tag', 'wrong-value', 'ambiguous-number', 'merge-key']

class Reader {
  readonly #diagnostics: Diagnostic[] = []
  readonly #map: SourceMap
  readonly #targets = new Map<Alias, Node>()
  /** Nodes being expanded: one that comes again contains itself. */
  readonly #open = new Set<Node>()
  /** The alias in the text that is being expanded, whatever aliases it leads to. */
  #outermost: Offsets | undefined
  #aliasedNodes = 0
  #exhausted = false

  constructor(
    readonly file: string,
    readonly text: string,
    readonly document: Document.Parsed,
    readonly lines: LineCounter,
  ) {
    this.#map = new SourceMap(file)
  }

  read(): SourceDocument {
    for (const { code, message, hint, ...at } of explainYaml(
      [...this.document.errors, ...this.document.warnings],
      this.text,
    ))
      this.#report(at, code, message, hint)
    this.#resolveAliases()
    const { contents } = this.document
    let data: Json | undefined
    if (contents && !this.#exhausted) data = this.#value(contents, [], 0, false)
    if (this.#diagnostics.length === 0 && (!isNode(contents) || !isMap(contents)))
      this.#report(
        { start: 0, end: 0 },
        'wrong-type',
        'The text is empty or has no `key: value` lines at its top level.',
        /^\s*[\w-]+[:=]\S/.test(this.text) ? 'put a space after the colon' : undefined,
      )
    const root = typeof data === 'object' && data !== null && !Array.isArray(data) ? (data as JsonObject) : {}
    const unreadable = this.#exhausted || this.#diagnostics.some(({ code }) => !harmless.includes(code))
    const diagnostics = explainTraps(sortDiagnostics(this.#diagnostics), this)
    return { file: this.file, text: this.text, data: root, map: this.#map, diagnostics, unreadable }
  }

  /** An alias means the last anchor of its name before it, so they are resolved in the order of the text. */
  #resolveAliases(): void {
    const anchors = new Map<string, Node>()
    let count = 0
    visit(this.document, {
      Node: (_, node) => {
        if (isAlias(node)) {
          if (++count === maxAliasCount + 1) {
            this.#report(this.#span(node), 'alias-limit', `There are more than ${maxAliasCount} aliases.`)
            this.#exhausted = true
          }
          const target = anchors.get(node.source)
          if (target) this.#targets.set(node, target)
        } else if (node.anchor) anchors.set(node.anchor, node)
      },
    })
  }

  #value(node: unknown, path: readonly (string | number)[], depth: number, aliased: boolean): Json {
    if (!isNode(node)) return null
    const range = this.#span(node)
    const at = pointer(path)
    if (!this.#map.hasValue(at)) this.#map.setValue(at, this.#range(range))
    if (this.#exhausted) return null
    if (aliased && ++this.#aliasedNodes > maxAliasedNodes) {
      this.#exhausted = true
      this.#report(
        this.#outermost ?? range,
        'alias-limit',
        `Together, the aliases stand for more than ${maxAliasedNodes} values.`,
      )
      return null
    }
    if (depth > maxDepth) {
      this.#report(range, 'too-deep', `Values are nested more than ${maxDepth} deep.`)
      this.#exhausted = true
      return null
    }
    if (isAlias(node)) {
      const target = this.#targets.get(node)
      if (!target) {
        const hint = /[./]/.test(node.source) ? `to write it literally, put it in quotes: '*${node.source}'` : undefined
        this.#report(range, 'unknown-alias', `There is no anchor &${node.source} before this alias.`, hint)
        return null
      }
      if (this.#open.has(target)) {
        this.#report(range, 'alias-limit', `The value of *${node.source} contains itself.`)
        return null
      }
      this.#outermost = aliased ? this.#outermost : range
      return this.#value(target, path, depth + 1, true)
    }
    this.#open.add(node)
    try {
      if (isSeq(node)) return node.items.map((item, i) => this.#value(item, [...path, i], depth + 1, aliased))
      if (isMap(node)) return this.#object(node.items, path, depth, aliased)
      if (isScalar(node)) return this.#scalar(node, range)
      return null
    } finally {
      this.#open.delete(node)
    }
  }

  #object(pairs: readonly Pair[], path: readonly (string | number)[], depth: number, aliased: boolean): JsonObject {
    const object: Record<string, Json> = {}
    for (const { key, value } of pairs) {
      const range = isNode(key) ? this.#span(key) : { start: 0, end: 0 }
      const scalar = isScalar(key) ? key.value : undefined
      if (typeof scalar !== 'string' && typeof scalar !== 'number' && typeof scalar !== 'boolean') {
        this.#report(range, 'wrong-type', 'A key must be a string.')
        continue
      }
      const name = String(scalar)
      if (name === '<<' && isScalar(key) && key.type === 'PLAIN') {
        this.#report(range, 'merge-key', 'YAML 1.2 has no merge keys: the keys behind << would be ignored.', copyKeys)
        continue
      }
      if (name === '__proto__') {
        this.#report(range, 'wrong-value', 'The key "__proto__" is not allowed.')
        continue
      }
      // The parser's check distinguishes 1 from "1" and misplaces some keys.
      if (Object.hasOwn(object, name)) this.#report(range, 'duplicate-key', `There are two keys "${name}" in one map.`)
      const inner = [...path, name]
      this.#map.setKey(pointer(inner), this.#range(range))
      if (isNode(value)) object[name] = this.#value(value, inner, depth + 1, aliased)
      else {
        this.#map.setValue(pointer(inner), this.#range(range))
        object[name] = null
      }
    }
    return object
  }

  #scalar({ value, source, type }: Scalar, range: Offsets): Json {
    if (typeof value === 'number' && source !== undefined && /^[-+]?0\d/.test(source)) {
      const older = /^[-+]?0[0-7]+$/.test(source) ? String(parseInt(source, 8)) : 'a string'
      const message = `${source} is ${value} in YAML 1.2, and ${older} in YAML 1.1.`
      this.#report(range, 'ambiguous-number', message, `write ${value}, or '${source}' for the string`)
    }
    // `limit: >2`: the parser reports nothing here.
    if (value === '' && (type === 'BLOCK_FOLDED' || type === 'BLOCK_LITERAL')) {
      const header = /^[^\n#]*/.exec(this.text.slice(range.start))![0].trim()
      if (/\d/.test(header))
        this.#report(
          range,
          'unquoted-value',
          `The value ${header} begins with "${header[0]}", which begins a block of text in YAML.`,
          `put it in quotes: '${header}'`,
        )
    }
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#report(range, 'wrong-value', `${source ?? value} is not finite.`, 'write a number, or leave the key out')
      return null
    }
    if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
      return value
    if (value === undefined) return null
    this.#report(range, 'wrong-type', 'A value must be a string, a number, true, false or null.')
    return null
  }

  #span(node: Node): Offsets {
    const [start, end] = node.range ?? [0, 0]
    return { start, end }
  }

  #range({ start, end }: Offsets): Range {
    const { line, col } = this.lines.linePos(start)
    const text = this.text.slice(start, end)
    const newline = text.indexOf('\n')
    return { line, column: col, length: Math.max(1, newline < 0 ? text.length : newline) }
  }

  #report(at: Offsets, code: string, message: string, hint?: string): void {
    const { line, column, length } = this.#range(at)
    this.#diagnostics.push({
      file: this.file,
      line: Math.max(1, line),
      column: Math.max(1, column),
      code,
      message,
      ...(hint !== undefined && { hint }),
      length,
    })
  }
}

interface Offsets {
  readonly start: number
  readonly end: number
}
