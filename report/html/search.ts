import * as Plot from '@observablehq/plot'
import { baseNote } from '../base-note.js'
import { format } from '../format.js'
import { chart, colours, table } from './chart.js'
import { describeShare } from '../../errors/amounts.js'
import { html, type Markup } from './markup.js'
import type { FirstRound, ReportData, SearchResult } from './report-data.js'

/** What the solver has proved, in words. */
export function certificate({
  status,
  objective,
  bound,
  gap,
  secondOpinion,
}: FirstRound['solver'] & Pick<SearchResult['solver'], 'secondOpinion'>): string {
  const proved =
    status === 'optimal'
      ? `It is proved that no choice of blocks within the limits has a smaller sum of scores than ${format(objective)} (to within ${gap < 1e-6 ? 'rounding errors' : describeShare(gap)}).`
      : `The best choice that was found has a sum of scores of ${format(objective)}; it is proved that none has less than ${format(bound)}, which leaves a gap of ${describeShare(gap)}.`
  return secondOpinion?.verdict === 'agrees'
    ? `${proved} A second solver${secondOpinion.engine === undefined ? '' : `, ${secondOpinion.engine},`} agrees.`
    : proved
}

/** What is lost by what is gained: every child that was measured. */
function pool({ result }: ReportData): Markup | false {
  const { solutions = [], ratios, child, attempts = [] } = result
  const points = [
    ...solutions.flatMap(({ measured, ratios: own }, i) =>
      measured && own
        ? [{ name: `solution ${i + 1}`, x: own.throughput, kl: measured.kl, trained: 'before uptraining' }]
        : [],
    ),
    ...attempts.map(({ throughput, kl }, i) => ({ name: `attempt ${i + 1}`, x: throughput, kl, trained: 'uptrained' })),
    { name: 'the child', x: ratios.throughput, kl: child.kl, trained: 'uptrained' },
  ].filter(({ kl }) => kl > 0)
  if (points.length < 2) return false
  return html`${chart(
    'Measured children: KL against throughput',
    {
      height: 300,
      marginLeft: 60,
      marginRight: 70,
      grid: true,
      x: { label: 'throughput, times the parent’s', nice: true },
      y: { type: 'log', label: 'KL, nats per token', nice: true, ticks: 6, tickFormat: '~r' },
      color: { domain: ['before uptraining', 'uptrained'], range: [colours.dim, colours.first] },
      marks: [Plot.dot(points, { x: 'x', y: 'kl', r: 5, fill: 'trained' })],
    },
    'Every child that was measured: grey before uptraining, in colour after it.',
    points.map(({ name, x, kl }) => ({ x, y: kl, text: name })),
  )}
  ${table(
    false,
    ['child', '#throughput', '#KL', ''],
    points.map(({ name, x, kl, trained }) => [name, `${x.toFixed(2)}x`, format(kl), trained]),
  )}`
}

/** How well predictions of throughput did. */
function predictions({ result }: ReportData): Markup | false {
  const usual = result.parent.throughput.predicted
  const of = (name: string, predicted: number | null, measured: number | undefined) =>
    usual === null || predicted === null || measured === undefined
      ? []
      : [{ name, predicted: predicted / usual, measured }]
  const points = [
    ...(result.solutions ?? []).flatMap(({ predicted, ratios }, i) =>
      of(`solution ${i + 1}`, predicted.throughput, ratios?.throughput),
    ),
    ...of('the child', result.child.throughput.predicted, result.ratios.throughput),
  ]
  if (points.length === 0) return false
  const ends = points.flatMap((own) => [own.predicted, own.measured])
  const [low, high] = [Math.min(...ends) * 0.95, Math.max(...ends) * 1.05]
  const diagonal = [low, high].map((end) => ({ predicted: end, measured: end }))
  const axis = { domain: [low, high], ticks: 5 }
  return html`${chart(
    'Measured against predicted throughput',
    {
      height: 340,
      width: 520,
      marginLeft: 60,
      marginRight: 80,
      grid: true,
      x: { label: 'predicted throughput, times the parent’s', ...axis },
      y: { label: 'measured throughput, times the parent’s', ...axis },
      marks: [
        Plot.line(diagonal, { x: 'predicted', y: 'measured', stroke: colours.dim, strokeDasharray: '4 4' }),
        Plot.dot(points, { x: 'predicted', y: 'measured', r: 5, fill: colours.first }),
      ],
    },
    'On the dashed line, a child is as fast as the cost table predicted.',
    points.map(({ name, predicted, measured }) => ({ x: predicted, y: measured, text: name })),
  )}
  ${table(
    false,
    ['child', '#predicted throughput', '#measured throughput'],
    points.map(({ name, predicted, measured }) => [name, `${predicted.toFixed(2)}x`, `${measured.toFixed(2)}x`]),
  )}`
}

/** What measuring whole children came to, in words. */
export const refinement = ({ evaluations, before, after }: NonNullable<SearchResult['refined']>): string =>
  `Sums of scores are predictions. Of ${evaluations} more children that were measured untrained, the best lost ${format(after)}; the solver’s first solution lost ${format(before)}.`

/** The search: solver, other ways to choose, and what was measured on the way. */
export function search(data: ReportData): Markup {
  const { solver, baselines, refined, base } = data.result
  const methods = [
    { method: 'mixed-integer programming', objective: solver.objective as number | null },
    ...Object.entries(baselines).map(([method, { objective }]) => ({ method, objective })),
  ]
  const found = methods.flatMap(({ method, objective }) =>
    objective !== null && objective > 0 ? [{ method, objective }] : [],
  )
  return html`<h2>The search</h2>
    <p>${certificate(solver)}</p>
    ${base && html`<p>${baseNote(base)}</p>`} ${refined && html`<p>${refinement(refined)}</p>`}
    ${
      found.length > 1 &&
      chart(
        'Predicted loss of the choices of several methods',
        {
          height: 56 + 24 * found.length,
          marginLeft: 215,
          marginRight: 60,
          x: { type: 'log', label: 'predicted loss', ticks: 6, tickFormat: '~r' },
          y: { label: null, domain: found.map(({ method }) => method) },
          marks: [
            Plot.ruleY(found, { y: 'method', stroke: colours.dim, strokeOpacity: 0.3 }),
            Plot.dot(found, {
              x: 'objective',
              y: 'method',
              r: 6,
              fill: ({ method }: (typeof found)[number]) =>
                method === methods[0]!.method ? colours.first : colours.second,
            }),
            Plot.text(found, {
              x: 'objective',
              y: 'method',
              text: ({ objective }: (typeof found)[number]) => format(objective),
              dx: 10,
              textAnchor: 'start',
              fill: 'currentColor',
            }),
          ],
        },
        'Choices of several methods from the same scores, costs and limits: the lower, the better. The scale is logarithmic.',
      )
    }
    <h2>Children that were measured</h2>
    ${pool(data)} ${predictions(data)}`
}
