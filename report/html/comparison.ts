import { compared, figureText, rowName, throughputInterval, type ComparedRun, type Comparison } from '../comparison.js'
import type { Curve } from '../curve.js'
import { format } from '../format.js'
import { table } from './chart.js'
import { htmlDocument } from './document.js'
import { html, type Markup } from './markup.js'
import { qualityChart, type QualityPoint, type QualitySeries } from './quality-chart.js'
import type { SearchResult } from './report-data.js'
import { duration } from './training.js'

/** A page about several runs, side by side, in one file. @param runs  two or more */
export function comparisonPage(runs: readonly ComparedRun[]): string {
  const comparison = compared(runs)
  const names = comparison.runs.map(({ run }) => run)
  return htmlDocument(
    `Comparison of ${names.join(', ')}`,
    html`<h1>Comparison of ${names.length} runs</h1>
      <p class="dim">${names.join(', ')}</p>
      ${
        comparison.cautions.length > 0 &&
        html`<ul>
          ${comparison.cautions.map((caution) => html`<li class="bad">${caution}</li>`)}
        </ul>`
      }
      ${figures(comparison)} ${curves(runs, comparison)} ${settings(comparison)} ${layers(comparison)}`,
  )
}

function figures({ runs, figures }: Comparison): Markup | false {
  if (figures.length === 0) return false
  const verdicts = runs.map(({ verdict, kind }) => {
    if (kind === 'sweep') return 'a sweep'
    return verdict === 'accepted' ? html`<span class="good">accepted</span>` : html`<span class="bad">${verdict}</span>`
  })
  return html`<h2>Figures</h2>
    ${table(
      'In brackets: confidence intervals; after ±: standard errors. Where intervals overlap, the runs may not differ.',
      ['', ...runs.map(({ run }) => `#${run}`)],
      [
        ['verdict', ...verdicts],
        ...figures.map((row) => [
          rowName(row),
          ...row.values.map((own) => (row.unit === 'seconds' && own ? duration(own.value) : figureText(row.unit, own))),
        ]),
      ],
    )}`
}

/** Children of all runs in one chart. */
function curves(runs: readonly ComparedRun[], comparison: Comparison): Markup | false {
  if (!comparison.sharesAxes) return false
  const series = runs.map(({ run, found }) =>
    found.kind === 'sweep' ? sweepSeries(run, found.curve) : searchSeries(run, found.result as SearchResult),
  )
  const drawn = qualityChart(
    'KL against throughput, by run',
    'throughput, times the parent’s',
    series,
    'The lower and the further to the right, the better. Bars: confidence intervals. Hollow: a child of a search before uptraining, or one of a sweep that another beats.',
  )
  return (
    drawn &&
    html`<h2>Quality against speed</h2>
      ${drawn}`
  )
}

/** The candidates of a search before uptraining, and its child. */
function searchSeries(run: string, { solutions = [], ratios, child, ...result }: SearchResult): QualitySeries {
  const candidates = solutions.flatMap(({ measured, ratios: own }, i): QualityPoint[] =>
    measured && own
      ? [
          {
            ...{ x: own.throughput, kl: measured.kl, isDominated: true },
            title: `${run}, solution ${i + 1} before uptraining: KL ${format(measured.kl)}, ${format(own.throughput)}x`,
          },
        ]
      : [],
  )
  const interval = throughputInterval(result)
  return {
    name: `${run} (search)`,
    points: [
      {
        ...{ x: ratios.throughput, kl: child.kl, label: run, ...(interval && { interval }) },
        title: `${run}, its child: KL ${format(child.kl)}, ${format(ratios.throughput)}x`,
      },
      ...candidates,
    ],
  }
}

/** The children of a sweep, as measured where they were. */
function sweepSeries(run: string, { points }: Curve): QualitySeries {
  const isMeasured = points.some(({ measured }) => measured)
  return {
    name: `${run} (sweep, ${isMeasured ? 'measured' : 'predicted'})`,
    joined: true,
    points: points.flatMap(({ limit, predicted, measured, sameAs, dominated }): QualityPoint[] => {
      const own = isMeasured ? measured : predicted
      if (!own || sameAs !== undefined) return []
      return [
        {
          ...{ x: own.ratios.throughput, kl: own.kl, isDominated: dominated },
          ...(measured && isMeasured && { interval: measured.throughputInterval }),
          title: `${run}, ${limit}: KL ${format(own.kl)}, ${format(own.ratios.throughput)}x`,
        },
      ]
    }),
  }
}

function settings({ runs, settings }: Comparison): Markup {
  return html`<h2>Settings that differ</h2>
    ${
      settings.length === 0
        ? html`<p>Nothing: all settings are the same.</p>`
        : table(
            'Defaults included. A dash: the run has no such setting.',
            ['setting', ...runs.map(({ run }) => run)],
            settings.map(({ setting, values }) => [
              html`<code>${setting}</code>`,
              ...values.map((value) => (value === null ? '–' : html`<code>${value}</code>`)),
            ]),
          )
    }`
}

function layers({ runs, layers }: Comparison): Markup | false {
  if (!layers || runs.filter(({ kind }) => kind === 'search').length < 2) return false
  return html`<h2>Blocks that differ</h2>
    ${
      layers.length === 0
        ? html`<p>None: the children have the same blocks.</p>`
        : table(
            'Blocks that are not listed are the same in all children.',
            ['#layer', '', ...runs.map(({ run }) => run)],
            layers.map(({ layer, slot, values }) => [layer, slot, ...values.map((value) => value ?? '–')]),
          )
    }`
}
