/** A point of a plot. */
export interface PlotPoint {
  readonly x: number
  readonly y: number
  /** One character. */
  readonly mark: string
}

const [width, height] = [60, 16]

/**
 * Draws points as text, x to the right and y upwards. Of points in the same place, the first one is seen.
 * @param labels  of the axes
 * @returns lines, none if there are no points
 */
export function plot(points: readonly PlotPoint[], labels: { readonly x: string; readonly y: string }): string[] {
  if (points.length === 0) return []
  const [x, y] = [rangeOf(points.map((point) => point.x)), rangeOf(points.map((point) => point.y))]
  const cells = Array.from({ length: height }, () => Array<string>(width).fill(' '))
  for (const point of [...points].reverse()) {
    const column = Math.round(((point.x - x.low) / (x.high - x.low)) * (width - 1))
    const row = Math.round(((y.high - point.y) / (y.high - y.low)) * (height - 1))
    cells[row]![column] = point.mark
  }
  const ticks = cells.map((_, row) => (row % 5 === 0 ? text(y.high - ((y.high - y.low) * row) / (height - 1)) : ''))
  const margin = Math.max(...ticks.map(({ length }) => length))
  const ends = [text(x.low), text(x.high)] as const
  return [
    labels.y,
    ...cells.map((row, i) => `${ticks[i]!.padStart(margin)} ${ticks[i] ? '┤' : '│'}${row.join('')}`.trimEnd()),
    `${' '.repeat(margin)} └${'─'.repeat(width)}`,
    `${' '.repeat(margin + 2)}${ends[0]}${ends[1].padStart(width - ends[0].length)}`,
    `${' '.repeat(margin + 2)}${labels.x}`,
  ]
}

/** From the smallest value to the largest, and a little around a single one. */
function rangeOf(values: readonly number[]): { readonly low: number; readonly high: number } {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const around = low === high ? Math.abs(low) / 10 || 1 : 0
  return { low: low - around, high: high + around }
}

const text = (value: number): string => String(Number(value.toPrecision(3)))
