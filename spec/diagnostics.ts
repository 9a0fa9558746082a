import stringWidth from 'string-width'
import { legible } from '../errors/foreign.js'

/** A mistake of the user, where it is and what to do about it. */
export interface Diagnostic {
  /** As the user named it, or an absolute path. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** Stable name of the kind of mistake: `unknown-key`, `missing-file`, … */
  readonly code: string
  /** One sentence. */
  readonly message: string
  /** What to do, when it is known: `did you mean "tokens"?` */
  readonly hint?: string
  /** Characters at fault, for underlining. */
  readonly length?: number
  /** A warning does not stop the run. @default a mistake, which does */
  readonly severity?: 'warning'
}

/** Most characters of a line that are shown around a mistake. */
const longestFramed = 400

/** Most mistakes to report: nobody corrects more at once. */
const mostTold = 200

/** By file, line, column and code, each reported once; of very many, the first. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const byText = new Map(diagnostics.map((d) => [formatDiagnostic(d), d]))
  const sorted = [...byText.values()].sort(
    (a, b) =>
      compare(a.file, b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      compare(a.code, b.code) ||
      compare(a.message, b.message),
  )
  if (sorted.length <= mostTold) return sorted
  const { file, line, column } = sorted[mostTold]!
  const message = `There are ${sorted.length - mostTold} more mistakes from here on.`
  return [...sorted.slice(0, mostTold), { file, line, column, code: 'more-mistakes', message }]
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** `file:line:col code message (hint)`, one line; `warning code` for a warning. */
export function formatDiagnostic({ file, line, column, code, message, hint, severity }: Diagnostic): string {
  const text = `${message}${hint ? ` (${hint})` : ''}`
  return `${file}:${line}:${column} ${severity === undefined ? '' : `${severity} `}${code} ${legible(text)}`
}

/**
 * The same with the line at fault below it, for terminals:
 *
 *     search.yaml:14:7  unknown-block  There is no block type "swigul" for slot "ffn".
 *        14 |   - { block: swigul, width: [50%] }
 *           |              ^^^^^^ did you mean "swiglu"?
 *
 * @param width  most characters of the line to show
 */
export function frameDiagnostic(diagnostic: Diagnostic, source: string | undefined, width = longestFramed): string {
  const { file, line, column, code, message, hint, length = 1, severity } = diagnostic
  const head = legible(`${file}:${line}:${column}  ${severity === undefined ? '' : `${severity}  `}${code}  ${message}`)
  const whole = source?.split(/\r?\n/)[line - 1]
  if (whole === undefined || (whole === '' && column === 1)) return hint ? `${head}\n  ${legible(hint)}` : head
  const number = String(line).padStart(5)
  const from = whole.length > width ? Math.max(0, column - 1 - Math.floor(width / 2)) : 0
  const text = whole.slice(from, from + width)
  const [before, marked] = [text.slice(0, column - 1 - from), text.slice(column - 1 - from)]
  // Wide characters take two places.
  const pad = before.replace(/[^\t]+/g, (own) => ' '.repeat(stringWidth(own)))
  const carets = '^'.repeat(Math.max(1, stringWidth(marked.slice(0, length))))
  return `${head}\n${number} | ${text}\n${' '.repeat(5)} | ${pad}${carets}${hint ? ` ${legible(hint)}` : ''}`
}

/** `did you mean "tokens"?` when one of the names is near, else the names themselves when they are few. */
export function suggest(wrong: string, names: readonly string[], what = 'allowed'): string | undefined {
  const near = nearest(wrong, names)
  if (near !== undefined) return `did you mean "${near}"?`
  if (names.length === 0 || names.length > 12) return undefined
  return `${what}: ${[...names].sort().join(', ')}`
}

/** Steps of comparing letters, about: a folder may have a hundred thousand names, of 255 letters each. */
const mostComparisons = 1e7

/** The nearest name by edit distance, if it is near enough to be a slip of the pen. Of very many names, the first are looked at. */
export function nearest(wrong: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[-_ ]/g, '')
  let best: { name: string; distance: number } | undefined
  for (const name of names.slice(0, Math.ceil(mostComparisons / wrong.length ** 2))) {
    if (Math.abs(name.length - wrong.length) > 4) continue
    const distance = plain(name) === plain(wrong) ? 0 : editDistance(wrong.toLowerCase(), name.toLowerCase())
    if (!best || distance < best.distance) best = { name, distance }
  }
  if (best && best.distance <= Math.max(1, Math.floor(wrong.length / 3))) return best.name
  // `no` for `no-op`, where only one name begins so.
  const longer = names.filter((name) => name.toLowerCase().startsWith(`${wrong.toLowerCase()}-`))
  return longer.length === 1 ? longer[0] : undefined
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other. */
export function editDistance(a: string, b: string): number {
  let [before, previous] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      row.push(cost)
    }
    ;[before, previous] = [previous, row]
  }
  return previous[b.length]!
}
