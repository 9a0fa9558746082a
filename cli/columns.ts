import cliTruncate from 'cli-truncate'
import stringWidth from 'string-width'

/** A column of a table. */
export interface Column {
  /** Its header; none where it is absent. */
  readonly name?: string
  /** Numbers stand at the right of their column. @default left */
  readonly align?: 'right'
  /** What may be left out where lines are short: the highest first. @default 0, never */
  readonly optional?: number
}

const gap = '  '

/**
 * Rows as lines whose columns stand below each other, as wide characters take two places. Columns without any text are left out;
 * so are optional ones, where the lines would be too long. Lines that are still too long are cut.
 * @param cells  by row; may be coloured
 * @param width  most places of a line
 */
export function align(columns: readonly Column[], cells: readonly (readonly string[])[], width = Infinity): string[] {
  const named = columns.some(({ name }) => name !== undefined)
  const rows = named ? [columns.map(({ name = '' }) => name), ...cells] : cells
  const widths = columns.map((_, i) => Math.max(0, ...rows.map((row) => stringWidth(row[i] ?? ''))))
  let kept = columns.map((_, i) => i).filter((i) => cells.some((row) => (row[i] ?? '') !== ''))
  const total = () => kept.reduce((sum, i) => sum + widths[i]!, 0) + gap.length * (kept.length - 1)
  const byImportance = kept
    .filter((i) => columns[i]!.optional)
    .sort((a, b) => columns[b]!.optional! - columns[a]!.optional!)
  for (const i of byImportance) if (total() > width) kept = kept.filter((own) => own !== i)
  return rows.map((row) => {
    const line = kept.map((i) => padded(row[i] ?? '', widths[i]!, columns[i]!.align)).join(gap)
    return cut(line.trimEnd(), width)
  })
}

/** A text with spaces up to a width. */
export function padded(text: string, width: number, side: Column['align']): string {
  const spaces = ' '.repeat(Math.max(0, width - stringWidth(text)))
  return side === 'right' ? spaces + text : text + spaces
}

/** A text, possibly coloured, cut to a width. */
export function cut(text: string, width: number): string {
  if (width === Infinity) return text
  const line = cliTruncate(text, width)
  // Half of a wide character may stand beyond the end.
  return stringWidth(line) > width ? cliTruncate(text, width - 1) : line
}
