import { describeShare } from '../errors/amounts.js'
import { plainMarkdown as plain } from '../errors/markdown.js'
import { format } from './format.js'
import { plot } from './plot.js'

interface Ratios {
  readonly throughput: number
  readonly memory: number
  readonly parameters: number
  readonly accuracy?: number | null
}

/** A value of the swept limit, and what it has come to. */
export interface CurvePoint {
  readonly value: number
  /** The limit in words. */
  readonly limit: string
  /** `open`: not solved yet. */
  readonly status: 'optimal' | 'feasible' | 'infeasible' | 'open'
  /** Why it is infeasible. */
  readonly reason?: string
  readonly solutionDigest?: string
  /** Variants of the child. */
  readonly layers?: readonly { readonly attention: string; readonly ffn: string }[]
  /** Sequences at once, where the search has chosen them. */
  readonly batches?: { readonly child: number; readonly parent: number }
  /** Value of the first point with the same child. */
  readonly sameAs?: number
  readonly dominated?: boolean
  readonly predicted?: { readonly kl: number; readonly reaches: number; readonly ratios: Ratios }
  readonly measured?: {
    readonly kl: number
    readonly perplexity: number
    readonly accuracy: number | null
    readonly throughput: number
    readonly reaches: number
    readonly interval?: readonly number[]
    /** Whether the limit is met; `open`: the interval contains it. */
    readonly met: 'yes' | 'no' | 'open'
    readonly ratios: Ratios
    readonly throughputInterval: readonly number[]
  }
}

/** The parts of a sweep's curve that its page and its table show. KL in nats per token. */
export interface Curve {
  readonly swept: { readonly name: string; readonly bound: 'min' | 'max'; readonly unit: string }
  /** The other limits in words, which all points meet. */
  readonly otherLimits: readonly string[]
  readonly comparedBy: 'measurement' | 'prediction'
  /** Whether the sweep has ended. */
  readonly complete: boolean
  readonly points: readonly CurvePoint[]
  readonly leftOut?: readonly { readonly task: string; readonly reason: string }[]
}

/** Writes a curve as a page of Markdown, with a plot as text. */
export function curvePage(curve: Curve): string {
  const { swept, otherLimits, comparedBy, complete, points, leftOut = [] } = curve
  const solved = points.filter(({ predicted }) => predicted)
  const infeasible = points.filter(({ status }) => status === 'infeasible')
  const open = points.filter(({ status }) => status === 'open')
  const measures = solved.some(({ measured }) => measured)
  return [
    `# Quality against ${plain(swept.name)}`,
    '',
    ...(complete ? [] : [`Not complete: ${open.length} of ${points.length} points are not solved yet.`, '']),
    ...(otherLimits.length > 0 ? [`All points: ${otherLimits.map(plain).join('; ')}.`, ''] : []),
    ...(solved.length > 0 ? [...table(solved, measures), '', ...notes(solved, comparedBy, measures)] : []),
    ...drawing(curve, solved),
    ...(infeasible.length > 0
      ? ['## Infeasible', '', ...infeasible.map(({ limit, reason }) => `- ${plain(limit)}: ${plain(reason ?? '')}`), '']
      : []),
    ...(leftOut.length > 0
      ? ['## Left out', '', ...leftOut.map(({ task, reason }) => `- ${plain(task)}: ${plain(reason)}`), '']
      : []),
  ].join('\n')
}

function table(solved: readonly CurvePoint[], measures: boolean): string[] {
  const names = ['limit', 'KL, predicted', 'throughput, predicted', 'memory', 'parameters']
  if (measures) names.push('KL, measured', 'accuracy', 'throughput, measured', 'limit met')
  const rows = solved.map((point) => {
    const { kl, ratios } = point.predicted!
    const cells = [
      plain(point.limit),
      format(kl),
      `${format(ratios.throughput)}x`,
      percent(ratios.memory),
      percent(ratios.parameters),
    ]
    if (measures) cells.push(...measuredCells(point))
    return [...cells, remark(point)]
  })
  return [
    `| ${[...names, ''].join(' | ')} |`,
    `|---|${'---:|'.repeat(names.length - 1)}---|`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ]
}

function measuredCells({ measured }: CurvePoint): string[] {
  if (!measured) return ['–', '–', '–', '–']
  const { kl, ratios, throughputInterval, met } = measured
  return [
    format(kl),
    percent(ratios.accuracy),
    `${format(ratios.throughput)}x (${throughputInterval.map(format).join(' to ')})`,
    met,
  ]
}

const percent = (share: number | null | undefined): string => (Number.isFinite(share) ? describeShare(share!) : '–')

/** What else is to be said of a point. */
export const remark = ({ sameAs, dominated, status, batches }: CurvePoint): string =>
  [
    ...(batches ? [`batch ${batches.child}, parent ${batches.parent}`] : []),
    ...(sameAs === undefined ? [] : [`the child of ${sameAs}`]),
    ...(dominated ? ['dominated'] : []),
    ...(status === 'feasible' ? ['not proven to be the best'] : []),
  ].join(', ')

function notes(solved: readonly CurvePoint[], comparedBy: Curve['comparedBy'], measures: boolean): string[] {
  return [
    'Throughput, memory, parameters and accuracy are multiples and shares of the parent’s. KL: between parent and child, before uptraining, in nats per token.',
    ...(measures
      ? [
          'Measured on validation data; a limit on time is met if the whole confidence interval meets it, and open if the interval contains it.',
        ]
      : []),
    ...(solved.some(({ dominated }) => dominated)
      ? [`Dominated: another child loses no more and reaches at least as much, by ${comparedBy}.`]
      : []),
    '',
  ]
}

function drawing({ swept, comparedBy }: Curve, solved: readonly CurvePoint[]): string[] {
  const points = solved.map(({ predicted, measured, dominated }) => {
    const { kl, reaches } = comparedBy === 'measurement' ? measured! : predicted!
    return { x: reaches, y: kl, mark: dominated ? '·' : '●' }
  })
  // A dot in the place of a circle would hide that it is on the curve.
  const ordered = points.sort((a, b) => Number(a.mark === '·') - Number(b.mark === '·'))
  const unit = swept.unit === 'parent' ? 'multiple of the parent’s' : swept.unit
  const kind = comparedBy === 'measurement' ? 'measured' : 'predicted'
  const lines = plot(ordered, { x: `${swept.name}, ${unit}, ${kind}`, y: `KL, ${kind} (● on the curve, · dominated)` })
  return lines.length === 0 ? [] : ['```text', ...lines, '```', '']
}

/** Columns of the table of a curve. */
const columns: readonly (readonly [
  name: string,
  of: (point: CurvePoint) => string | number | boolean | null | undefined,
])[] = [
  ['limit', ({ limit }) => limit],
  ['value', ({ value }) => value],
  ['status', ({ status }) => status],
  ['kl_predicted', ({ predicted }) => predicted?.kl],
  ['reaches_predicted', ({ predicted }) => predicted?.reaches],
  ['throughput_ratio_predicted', ({ predicted }) => predicted?.ratios.throughput],
  ['memory_ratio', ({ predicted }) => predicted?.ratios.memory],
  ['parameters_ratio', ({ predicted }) => predicted?.ratios.parameters],
  ['kl_measured', ({ measured }) => measured?.kl],
  ['reaches_measured', ({ measured }) => measured?.reaches],
  ['throughput_measured', ({ measured }) => measured?.throughput],
  ['throughput_ratio_measured', ({ measured }) => measured?.ratios.throughput],
  ['throughput_ratio_low', ({ measured }) => measured?.throughputInterval[0]],
  ['throughput_ratio_high', ({ measured }) => measured?.throughputInterval[1]],
  ['perplexity', ({ measured }) => measured?.perplexity],
  ['accuracy', ({ measured }) => measured?.accuracy],
  ['accuracy_ratio', ({ measured }) => measured?.ratios.accuracy],
  ['limit_met', ({ measured }) => measured?.met],
  ['dominated', ({ dominated }) => dominated],
  ['same_as', ({ sameAs }) => sameAs],
  ['solution', ({ solutionDigest }) => solutionDigest],
  ['reason', ({ reason }) => reason],
]

/** More columns, where the search has chosen the batches of some point. */
const batchColumns: typeof columns = [
  ['batch', ({ batches }) => batches?.child],
  ['parent_batch', ({ batches }) => batches?.parent],
]

/** Writes a curve as comma-separated values (RFC 4180): a line of names, and one for each point. Unknown values are empty. */
export function curveTable({ points }: Curve): string {
  const all = points.some(({ batches }) => batches) ? [...columns, ...batchColumns] : columns
  return [all.map(([name]) => name), ...points.map((point) => all.map(([, of]) => cell(of(point))))]
    .map((cells) => `${cells.join(',')}\n`)
    .join('')
}

function cell(value: string | number | boolean | null | undefined): string {
  const text = value === null || value === undefined ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
