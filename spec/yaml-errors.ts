import { entryOf } from '../errors/foreign.js'

/** A mistake against YAML's grammar, as its parser reports it. */
export interface YamlError {
  readonly code: string
  readonly message: string
  /** Offsets. */
  readonly pos: readonly [number, number]
}

/** The same for people. */
export interface YamlMistake {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly start: number
  readonly end: number
}

const codes: Readonly<Record<string, string>> = {
  TAG_RESOLVE_FAILED: 'unknown-tag',
  MULTIPLE_DOCS: 'multiple-documents',
}

/** Says in words what the parser found; of several mistakes in one unquoted value, only the first. */
export function explainYaml(errors: readonly YamlError[], text: string): readonly YamlMistake[] {
  const mistakes: YamlMistake[] = []
  let unquotedUntil = -1
  for (const error of errors) {
    const [start, end] = error.pos
    if (start < unquotedUntil) continue
    const unquoted = needsQuotes(error, text)
    if (unquoted) unquotedUntil = unquoted.end
    const { code, message } = error
    mistakes.push(
      unquoted ?? {
        code: entryOf(codes, code) ?? 'yaml-syntax',
        message: message.endsWith('.') ? message : `${message}.`,
        start,
        end,
        ...reworded(error, text),
      },
    )
  }
  return mistakes
}

/** A value that begins with a sign of YAML's own: `>= 1.7x`, `@scope/name`, `%`. */
function needsQuotes({ code, message, pos: [start] }: YamlError, text: string): YamlMistake | undefined {
  const line = lineAround(text, start)
  const isBlock = /^Block scalar header|^Not a YAML token/.test(message)
  if (code !== 'BAD_SCALAR_START' && !isBlock) return undefined
  const before = text.slice(line.start, start)
  const indent = isBlock ? /^(?:.*?[:\-,[{]\s+)?(?=[>|])/.exec(line.text)?.[0].length : start - line.start
  if (indent === undefined) return undefined
  const from = line.start + indent
  // In [ ] and { } the value ends earlier than the line.
  const inFlow = !isBlock && /[[{]/.test(before)
  const value = /^.*?(?=\s+#|\s*$)/s.exec(
    inFlow ? /^[^,\]}]*/.exec(text.slice(from, line.end))![0] : text.slice(from, line.end),
  )![0]
  const sign = value[0] ?? ''
  const block = sign === '>' || sign === '|'
  return {
    code: 'unquoted-value',
    message: block
      ? `The value ${value} begins with "${sign}", which begins a block of text in YAML.`
      : `The value ${value} begins with "${sign}", which is reserved in YAML.`,
    hint: `put it in quotes: '${value.replaceAll("'", "''")}'`,
    start: from,
    end: from + value.length,
  }
}

function reworded({ code, message, pos: [start] }: YamlError, text: string): Partial<YamlMistake> {
  const line = lineAround(text, start).text
  switch (code) {
    case 'MULTIPLE_DOCS':
      return {
        message: 'There is more than one document in the file.',
        hint: 'remove the line "---" and everything after it',
      }
    case 'TAB_AS_INDENT':
      return {
        message: 'This line is indented with a tab.',
        hint: 'YAML is indented with spaces: replace the tab with two spaces',
      }
    case 'BAD_DQ_ESCAPE':
      return {
        message: `${text.slice(start, start + 2)} is not a valid escape in double quotes.`,
        hint: 'use single quotes, or / in a path',
      }
    case 'MISSING_CHAR': {
      if (message.startsWith('Missing closing'))
        return { message: 'The quote is not closed.', ...unclosed(text, message.includes("'") ? "'" : '"') }
      if (/['"]#/.test(line)) return { message: 'There is more text after the value.', hint: spaceBefore }
      return { message: 'A key is followed by ": " and a value.', ...withoutSpace(line) }
    }
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      if (withoutSpace(line)) return withoutSpace(line)!
      return {
        message: 'There are two keys in one value.',
        hint: 'put a string with ": " in quotes; begin all keys of a map in the same column',
      }
    default:
      if (message === 'Unexpected scalar at node end')
        return { message: 'There is more text after the value.', hint: 'put all of it in one pair of quotes' }
      return {}
  }
}

const spaceBefore = 'put a space before the # of a comment'

/** `seed:7` and `seed = 7`. */
function withoutSpace(line: string): Pick<YamlMistake, 'message' | 'hint'> | undefined {
  const [, key, value] = /^\s*(?:- )?([\w.-]+)(?::(?=\S)|\s*=)\s*(\S.*)$/.exec(line) ?? []
  return key === undefined
    ? undefined
    : { message: 'A key is followed by a colon and a space.', hint: `write "${key}: ${value}"` }
}

/** The first line with an odd number of a quote: the parser reports only the end of the text. */
function unclosed(text: string, quote: string): Partial<YamlMistake> {
  let start = 0
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(quote)
    if (at >= 0 && line.split(quote).length % 2 === 0) return { start: start + at, end: start + line.length }
    start += line.length + 1
  }
  return {}
}

function lineAround(text: string, at: number): { readonly text: string; readonly start: number; readonly end: number } {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const next = text.indexOf('\n', at)
  const end = next < 0 ? text.length : next
  return {
    text: text.slice(start, end).replace(/\r$/, ''),
    start,
    end: start + text.slice(start, end).replace(/\r$/, '').length,
  }
}
