import * as Plot from '@observablehq/plot'
import { describeBytes, describeCount, describeShare } from '../../errors/amounts.js'
import { remark, type Curve, type CurvePoint } from '../curve.js'
import { format } from '../format.js'
import { chart, colours, table } from './chart.js'
import { htmlDocument } from './document.js'
import { html, type Content, type Markup } from './markup.js'
import { omissions, origin } from './origin.js'
import { qualityChart, shortTicks, type QualitySeries } from './quality-chart.js'
import type { SweepData } from './report-data.js'
import { time } from './training.js'

type Predicted = CurvePoint & { readonly predicted: NonNullable<CurvePoint['predicted']> }

const isSolved = (point: CurvePoint): point is Predicted => point.predicted !== undefined

/** `1.52x`, or with the unit of an absolute limit. */
export function reached({ unit }: Curve['swept'], value: number): string {
  if (unit === 'parent') return `${format(value)}x`
  if (unit === 'bytes') return describeBytes(value)
  return unit === 'parameters' ? describeCount(value) : `${format(value)} ${unit}`
}

const share = (value: number | null | undefined): string =>
  value === null || value === undefined ? format(value) : describeShare(value)

/** A page about a sweep in one file. Its figures are those of `result.json`. */
export function sweepPage(data: SweepData): string {
  const { sweep } = data
  const title = `Quality against ${sweep.swept.name}`
  return htmlDocument(
    `${sweep.run}: ${title}`,
    html`<h1>${title}</h1>
      <p class="dim">Run ${sweep.run}</p>
      ${introduction(sweep)} ${cards(sweep)} ${curveChart(sweep)} ${accuracies(sweep)} ${pointsTable(sweep)}
      ${infeasible(sweep)} ${children(sweep)} ${time(data)} ${omissions(sweep)} ${origin(sweep, data)}`,
  )
}

function introduction({ complete, points, otherLimits, swept, comparedBy }: Curve): Markup {
  const open = points.filter(({ status }) => status === 'open').length
  return html`${
      !complete &&
      html`<p class="bad">
        Not complete:
        ${open > 0 ? `${open} of ${points.length} points are not solved yet` : 'children are being measured'}.
      </p>`
    }
    <p>
      Each point is the child that loses least under one value of the limit on ${swept.name}, before uptraining, which
      lowers the KL of all of them.
      ${comparedBy === 'measurement' ? 'Children were measured on validation data.' : 'Figures are predictions, from scores and costs of single blocks.'}
      To have the child of a point made, write its limit into <code>target.limits</code> of the spec and run it: nothing
      up to the scores is done again.
    </p>
    ${otherLimits.length > 0 && html`<p>All points: ${otherLimits.join('; ')}.</p>`}`
}

/** What a point comes to: as measured, or else as predicted. */
const lossOf = ({ measured, predicted }: Predicted) => measured ?? predicted

function cards({ swept, points }: Curve): Markup | false {
  const solved = points.filter(isSolved)
  if (solved.length === 0) return false
  const by = (better: (a: Predicted, b: Predicted) => boolean) => solved.reduce((a, b) => (better(b, a) ? b : a))
  const best = by((a, b) => lossOf(a).kl < lossOf(b).kl)
  const sign = swept.bound === 'min' ? 1 : -1
  const furthest = by((a, b) => sign * (lossOf(a).reaches - lossOf(b).reaches) > 0)
  const card = (name: string, point: Predicted): Markup =>
    html`<li>
      ${name}<b>${reached(swept, lossOf(point).reaches)}</b
      ><span class="dim">KL ${format(lossOf(point).kl)}, ${point.measured ? 'measured' : 'predicted'}</span>
    </li>`
  const count = new Set(solved.map(({ solutionDigest, value }) => solutionDigest ?? value)).size
  return html`<ul class="cards">
    <li>
      points that can be met<b>${solved.length} of ${points.length}</b
      ><span class="dim">${count === 1 ? 'one child' : `${count} different children`}</span>
    </li>
    ${card('least loss', best)} ${card(swept.bound === 'min' ? `most ${swept.name}` : `least ${swept.name}`, furthest)}
  </ul>`
}

const unitOf = ({ unit }: Curve['swept']): string => (unit === 'parent' ? 'times the parent’s' : unit)

/** The curve as a chart. */
export function curveChart({ swept, points }: Pick<Curve, 'swept' | 'points'>): Markup | false {
  return qualityChart(
    `KL against ${swept.name}, predicted and measured`,
    `${swept.name}, ${unitOf(swept)}`,
    curveSeries({ swept, points }),
    'The lower and the further, the better. Bars: confidence intervals. Hollow: another child loses no more and reaches at least as much. The line of measured points joins those that no other beats.',
  )
}

/** The points of a curve, as measured and as predicted. */
function curveSeries({ swept, points }: Pick<Curve, 'swept' | 'points'>): QualitySeries[] {
  const solved = points.filter(isSolved)
  const measures = solved.some(({ measured }) => measured)
  const isLabelled = solved.length <= 12
  return [
    {
      name: 'measured',
      joined: true,
      points: solved.flatMap(({ limit, measured, dominated, sameAs, value }) =>
        measured && sameAs === undefined
          ? [
              {
                ...{ x: measured.reaches, kl: measured.kl, interval: measured.interval, isDominated: dominated },
                title: `${limit}: KL ${format(measured.kl)}, reaches ${reached(swept, measured.reaches)}, measured`,
                ...(isLabelled && { label: reached(swept, value) }),
              },
            ]
          : [],
      ),
    },
    {
      name: 'predicted',
      joined: true,
      points: solved.flatMap(({ limit, predicted, dominated, sameAs, value }) =>
        sameAs === undefined
          ? [
              {
                ...{ x: predicted.reaches, kl: predicted.kl, isDominated: !measures && dominated },
                title: `${limit}: KL ${format(predicted.kl)}, reaches ${reached(swept, predicted.reaches)}, predicted`,
                ...(isLabelled && !measures && { label: reached(swept, value) }),
              },
            ]
          : [],
      ),
    },
  ]
}

/** What is left of the accuracy, where there are tasks. */
function accuracies({ swept, points }: Curve): Markup | false {
  const kept = points.flatMap(({ limit, measured, sameAs }) => {
    const accuracy = measured?.ratios.accuracy
    return measured && typeof accuracy === 'number' && sameAs === undefined
      ? [{ reaches: measured.reaches, accuracy, title: `${limit}: ${describeShare(accuracy)} of the accuracy` }]
      : []
  })
  if (kept.length < 2) return false
  return chart(
    `Accuracy kept against ${swept.name}, as measured`,
    {
      ...{ height: 260, marginLeft: 60, marginRight: 40, grid: true },
      x: {
        ...{ label: `${swept.name}, ${unitOf(swept)}`, nice: true },
        ...shortTicks(kept.map(({ reaches }) => reaches)),
      },
      y: { label: 'accuracy, share of the parent’s', tickFormat: '%', nice: true, domain: [0, 1] },
      marks: [Plot.dot(kept, { x: 'reaches', y: 'accuracy', r: 5, fill: colours.first, title: 'title' })],
    },
    'Mean accuracy on tasks, before uptraining, as a share of the parent’s.',
  )
}

const limitCell = (swept: Curve['swept'], { value }: CurvePoint): Markup =>
  html`<span class="whole">${swept.bound === 'min' ? '≥' : '≤'} ${reached(swept, value)}</span>`

function pointsTable({ swept, points, comparedBy }: Curve): Markup | false {
  const solved = points.filter(isSolved)
  if (solved.length === 0) return false
  const measures = solved.some(({ measured }) => measured)
  const measuredCells = ({ measured }: CurvePoint): readonly Content[] => {
    if (!measured) return ['–', '–', '–', '–', '–']
    const [low, high] = measured.throughputInterval as [number, number]
    const { kl, perplexity, ratios, met } = measured
    const state = { yes: html`<span class="good">yes</span>`, no: html`<span class="bad">no</span>`, open: 'open' }
    return [
      ...[format(kl), format(perplexity), share(ratios.accuracy)],
      html`${format(ratios.throughput)}x<br /><span class="dim">${format(low)} to ${format(high)}</span>`,
      state[met] ?? '–',
    ]
  }
  const notes = [
    'Throughput is a multiple of the parent’s; memory, parameters and accuracy are shares of the parent’s.',
    ...(measures ? ['A limit is open where the confidence interval contains it.'] : []),
    ...(solved.some(({ dominated }) => dominated)
      ? [`Dominated: another child loses no more and reaches at least as much, by ${comparedBy}.`]
      : []),
  ]
  return html`<h2>Points</h2>
    ${table(
      notes.join(' '),
      [
        ...[`limit on ${swept.name}`, '#KL, predicted', `#${swept.name}, predicted`, '#memory', '#parameters'],
        ...(measures ? ['#KL, measured', '#perplexity', '#accuracy kept', '#throughput, measured', 'limit met'] : []),
        'remarks',
      ],
      solved.map((point) => [
        ...[limitCell(swept, point), format(point.predicted.kl), reached(swept, point.predicted.reaches)],
        ...[share(point.predicted.ratios.memory), share(point.predicted.ratios.parameters)],
        ...(measures ? measuredCells(point) : []),
        remark(point),
      ]),
    )}`
}

function infeasible({ points, swept }: Curve): Markup | false {
  const none = points.filter(({ status }) => status === 'infeasible')
  if (none.length === 0) return false
  return html`<h2>Cannot be met</h2>
    ${table(
      false,
      [`limit on ${swept.name}`, 'why not'],
      none.map((point) => [limitCell(swept, point), point.reason]),
    )}`
}

/** Most children whose blocks are listed: a column each. */
const mostChildren = 12

/** What each layer has become at each point. */
function children({ points, swept }: Curve): Markup | false {
  const all = points.filter(({ layers, sameAs }) => layers && sameAs === undefined)
  const listed = all.slice(0, mostChildren)
  const depth = listed[0]?.layers?.length ?? 0
  if (depth === 0) return false
  return html`<h2>The children, layer by layer</h2>
    ${
      all.length > listed.length &&
      html`<p class="dim">The first ${listed.length} of ${all.length} children; <code>curve.json</code> has all.</p>`
    }
    ${table(
      'Attention and FFN of each layer, by the limit; a dash stands for the parent’s block.',
      ['#layer', ...listed.map(({ value }) => reached(swept, value))],
      Array.from({ length: depth }, (_, layer) => [
        layer,
        ...listed.map(({ layers }) => {
          const { attention, ffn } = layers![layer]!
          const name = (variant: string) => (variant === 'parent' ? '–' : variant)
          return html`${name(attention)}<br />${name(ffn)}`
        }),
      ]),
    )}`
}
