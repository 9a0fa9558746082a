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
    ]
  })
  return chart(
    label,
    {
      ...{ height: 340, marginLeft: 60, marginRight: 40, marginTop: 30, grid: true },
      x: { label: xLabel, nice: true, ...shortTicks(drawn.flatMap(({ points }) => points.map(({ x }) => x))) },
      y: { type: 'log', label: 'KL, nats per token', nice: true, ticks: 6, tickFormat: '~r' },
      marks,
    },
    html`${drawn.map(
      ({ name, look: { colour, sign } }) =>
        html`<span class="key"
          ><span style="color:${asMarkup(colour)}" aria-hidden="true">${sign}</span> ${name}</span
        > `,
    )}${caption}`,
    drawn.flatMap(({ points }) => points.map(({ x, kl, interval, label: text }) => ({ x, y: kl, interval, text }))),
  )
}

/** Bytes and parameters go by thousands: `500M`, not `500,000,000`. */
export const shortTicks = (values: readonly number[]): { readonly tickFormat?: string } =>
  Math.max(...values) >= 1e5 ? { tickFormat: '~s' } : {}
