import * as Plot from '@observablehq/plot'
import { asMarkup, html, type Content, type Markup } from './markup.js'
import { chart, colours } from './chart.js'

/** A child in a chart of what is lost against what is reached. */
export interface QualityPoint {
  readonly x: number
  /** nats per token; one of 0 has no place on the scale, and is left out. */
  readonly kl: number
  /** Confidence interval of `x`. */
  readonly interval?: readonly number[] | undefined
  /** Written beside it. */
  readonly label?: string
  /** Shown when one points at it. */
  readonly title: string
  /** Another child is better. */
  readonly isDominated?: boolean | undefined
}

/** Children that belong together. */
export interface QualitySeries {
  readonly name: string
  readonly points: readonly QualityPoint[]
  /** Whether a line joins those that are not dominated. */
  readonly joined?: boolean
}

/** Colours and shapes of series, so that no colour says alone what a point is. */
const looks = [
  { colour: colours.first, symbol: 'circle', sign: '●', dash: 'none' },
  { colour: colours.second, symbol: 'diamond', sign: '◆', dash: '6 4' },
  { colour: 'var(--good)', symbol: 'square', sign: '■', dash: '2 3' },
  { colour: 'var(--bad)', symbol: 'triangle', sign: '▲', dash: '8 3 2 3' },
  { colour: colours.dim, symbol: 'star', sign: '★', dash: '1 4' },
  { colour: 'currentColor', symbol: 'cross', sign: '✚', dash: '10 5' },
] as const

/** Most series of one chart. */
export const mostSeries = looks.length

/**
 * A chart of what is lost against what is reached, with a legend.
 * @param xLabel  of the axis: what is reached
 * @returns false where there is nothing to draw
 */
export function qualityChart(
  label: string,
  xLabel: string,
  series: readonly QualitySeries[],
  caption: Content,
): Markup | false {
  const drawn = series
    .map((own, i) => ({ ...own, look: looks[i % looks.length]!, points: own.points.filter(({ kl }) => kl > 0) }))
    .filter(({ points }) => points.length > 0)
  if (drawn.length === 0) return false
  const labels = placesOfLabels(drawn.flatMap(({ points }) => points))
  const marks = drawn.flatMap(({ points, joined, look }) => {
    const { colour, symbol, dash } = look
    const best = points.filter(({ isDominated }) => !isDominated).sort((a, b) => a.x - b.x)
    const ranged = points.flatMap(({ x, kl, interval }) =>
      interval ? [{ x, kl, low: interval[0]!, high: interval[1]! }] : [],
    )
    return [
      ...(ranged.length > 0
        ? [Plot.ruleY(ranged, { y: 'kl', x1: 'low', x2: 'high', stroke: colour, strokeOpacity: 0.35, strokeWidth: 2 })]
        : []),
      ...(joined && best.length > 1
        ? [Plot.line(best, { x: 'x', y: 'kl', stroke: colour, strokeDasharray: dash, strokeWidth: 1.5 })]
        : []),
      Plot.dot(points, {
        ...{ x: 'x', y: 'kl', r: 5, symbol, stroke: colour, title: 'title' },
        fill: ({ isDominated }: QualityPoint) => (isDominated ? 'var(--page)' : colour),
      }),
      ...[-13, 14].map((dy) =>
        Plot.text(
          points.filter((own) => labels.get(own) === dy),
          { x: 'x', y: 'kl', text: 'label', dy, fill: 'currentColor' },
        ),
      ),
    ]
  })
  return chart(
    label,
    {
      ...{ height: 340, marginLeft: 60, marginRight: 40, marginTop: 30, grid: true },
      x: { label: xLabel, nice: true },
      y: { type: 'log', label: 'KL, nats per token', nice: true, ticks: 6, tickFormat: '~r' },
      marks,
    },
    html`${drawn.map(
      ({ name, look: { colour, sign } }) =>
        html`<span class="key"
          ><span style="color:${asMarkup(colour)}" aria-hidden="true">${sign}</span> ${name}</span
        > `,
    )}${caption}`,
  )
}

/** Where there is room for a point's label: so many pixels below it. Points whose label would lie on another are not in the map. */
function placesOfLabels(points: readonly QualityPoint[]): ReadonlyMap<QualityPoint, number> {
  const rangeOf = (values: readonly number[]) => Math.max(...values) - Math.min(...values) || 1
  const width = rangeOf(points.flatMap(({ x, interval = [] }) => [x, ...interval]))
  const height = rangeOf(points.map(({ kl }) => Math.log(kl)))
  // About the pixels of the drawn area, whose scales are rounded outwards.
  const placed: { readonly x: number; readonly y: number }[] = []
  const places = new Map<QualityPoint, number>()
  for (const point of points) {
    if (point.label === undefined) continue
    const [x, y] = [(600 * point.x) / width, (-220 * Math.log(point.kl)) / height]
    const dy = [-13, 14].find((dy) => placed.every((own) => Math.abs(own.x - x) > 44 || Math.abs(own.y - y - dy) > 15))
    if (dy === undefined) continue
    placed.push({ x, y: y + dy })
    places.set(point, dy)
  }
  return places
}
