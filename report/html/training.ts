import * as Plot from '@observablehq/plot'
import { format } from '../format.js'
import { chart, colours, table } from './chart.js'
import { html, type Markup } from './markup.js'
import type { ReportData, RunFacts, TrainingPoint } from './report-data.js'

/** Points of a curve that are drawn. */
const mostPoints = 400

/** The curve of the uptraining. */
export function training({
  training: curve = [],
  result: { beforeUptraining: before, child },
}: ReportData): Markup | false {
  const heldOut = before && `; on held-out text, from ${format(before.kl)} to ${format(child.kl)}`
  const drawn = trainingCurve('KL during uptraining', curve, heldOut)
  return (
    drawn &&
    html`<h2>Uptraining</h2>
      ${drawn}`
  )
}

/** KL by step. @param more  added to the caption */
export function trainingCurve(label: string, curve: readonly TrainingPoint[], more = ''): Markup | false {
  const points = curve.flatMap(({ step, kl }) => (kl !== undefined && kl > 0 ? [{ step, kl }] : []))
  if (points.length < 2) return false
  const every = Math.ceil(points.length / mostPoints)
  const drawn = points.filter((_, i) => i % every === 0 || i === points.length - 1)
  return chart(
    label,
    {
      height: 260,
      marginLeft: 60,
      grid: true,
      x: { label: 'step' },
      y: { type: 'log', label: 'KL, nats per token', ticks: 6, tickFormat: '~r' },
      marks: [Plot.line(drawn, { x: 'step', y: 'kl', stroke: colours.first })],
    },
    `KL to the parent on each step’s training text, from ${format(points[0]!.kl)} to ${format(points.at(-1)!.kl)}${more}.`,
  )
}

/** `2 h 5 min`, `3 min 20 s`, `12.3 s`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${Math.round(seconds % 60)} s`
}

/** Where time went. */
export function time({ stages }: Pick<RunFacts, 'stages'>): Markup | false {
  const worked = stages.filter(({ seconds }) => seconds > 0)
  if (worked.length === 0) return false
  return html`<h2>Where the time went</h2>
    ${chart(
      'Seconds of each stage',
      {
        height: 56 + 22 * worked.length,
        marginLeft: 120,
        marginRight: 80,
        x: { label: 'seconds of all tasks together' },
        y: { label: null, domain: worked.map(({ stage }) => stage) },
        marks: [
          Plot.barX(worked, { x: 'seconds', y: 'stage', fill: colours.first }),
          Plot.text(worked, {
            x: 'seconds',
            y: 'stage',
            text: ({ seconds }: (typeof worked)[number]) => duration(seconds),
            dx: 5,
            textAnchor: 'start',
            fill: 'currentColor',
          }),
        ],
      },
      'Tasks of a stage may have run side by side, and results that were there already count with the time that they took then.',
    )}
    ${table(
      false,
      ['stage', '#tasks', '#time'],
      worked.map(({ stage, tasks, seconds }) => [stage, tasks, duration(seconds)]),
    )}`
}
