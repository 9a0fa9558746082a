import type pc from 'picocolors'
import stringWidth from 'string-width'
import { align, type Column } from './columns.js'
import { coloursOfOutput, print, tableWidth } from './output.js'

type Colours = ReturnType<typeof pc.createColors>

const gap = 2
/** Columns of a narrow word, which say little when they are narrower. */
const narrowest = 6

/** Prints a page of Markdown: as it is to a file or a program, for people to a terminal. */
export function printPage(page: string): void {
  const width = tableWidth()
  if (width === undefined) print(page)
  else for (const line of markdownPage(page, width, coloursOfOutput)) print(line)
}

/**
 * A page of Markdown as lines for a terminal: tables with columns below each other, whose cells go on in the next line where they
 * are too long; paragraphs broken between words; headings and what is strong in bold. Code blocks stay as they are.
 * @param width  places of a line
 */
export function markdownPage(page: string, width: number, colours: Colours): string[] {
  const lines = page.split('\n')
  const shown: string[] = []
  for (let i = 0; i < lines.length;) {
    const line = lines[i]!
    if (line.startsWith('```')) {
      const end = lines.indexOf('```', i + 1)
      shown.push(...lines.slice(i + 1, end < 0 ? undefined : end))
      i = end < 0 ? lines.length : end + 1
    } else if (line.startsWith('|')) {
      const end = lines.findIndex((own, at) => at > i && !own.startsWith('|'))
      const table = lines.slice(i, end < 0 ? undefined : end)
      shown.push(...tableLines(table.map(cellsOf), width, colours))
      i += table.length
    } else {
      shown.push(...proseLines(line, width, colours))
      i++
    }
  }
  return shown
}

function proseLines(line: string, width: number, colours: Colours): string[] {
  const heading = /^#+ (.*)/.exec(line)?.[1]
  if (heading !== undefined) return wrapped(plain(heading), width).map((part) => colours.bold(part))
  const indent = /^- /.test(line) ? '  ' : ''
  const strong = /^\*\*(.*)\*\*$/.exec(line)?.[1]
  const parts = wrapped(plain(strong ?? line), width - indent.length)
  return parts.map((part, i) => (i > 0 ? indent : '') + (strong === undefined ? part : colours.bold(part)))
}

/** Without what makes punctuation of Markdown harmless in Markdown. */
const plain = (text: string): string => text.replace(/\\([!-/:-@[-`{-~])/g, '$1')

const cellsOf = (line: string): string[] =>
  line
    .slice(1, line.trimEnd().endsWith('|') ? line.trimEnd().length - 1 : undefined)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())

function tableLines([head = [], rule = [], ...rows]: readonly string[][], width: number, colours: Colours): string[] {
  const cells = [head, ...rows].map((row) => row.map(plain))
  const widths = fitting(
    head.map((_, i) => Math.max(...cells.map((row) => stringWidth(row[i] ?? '')))),
    head.map((_, i) =>
      Math.max(narrowest, ...cells.flatMap((row) => (row[i] ?? '').split(' ').map((word) => stringWidth(word)))),
    ),
    width - gap * (head.length - 1),
  )
  const columns = rule.map((own): Column => (own.endsWith(':') ? { align: 'right' } : {}))
  const broken = cells.flatMap((row, r) => {
    const parts = row.map((cell, i) => wrapped(cell, widths[i]!))
    const height = Math.max(...parts.map(({ length }) => length))
    return Array.from({ length: height }, (_, line) =>
      parts.map((own) => (r === 0 && own[line] ? colours.dim(own[line]) : (own[line] ?? ''))),
    )
  })
  return align(columns, broken)
}

/** Widths of columns that fit together: the widest give way, down to their longest words. */
function fitting(wanted: readonly number[], words: readonly number[], width: number): number[] {
  const widths = [...wanted]
  const total = () => widths.reduce((sum, own) => sum + own, 0)
  while (total() > width) {
    const give = widths.map((own, i) => (own > words[i]! ? own : 0))
    const widest = give.indexOf(Math.max(...give))
    if (!give[widest]) break
    widths[widest]!--
  }
  return widths
}

/** A text in lines broken between words. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && stringWidth(last) + 1 + stringWidth(word) <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
