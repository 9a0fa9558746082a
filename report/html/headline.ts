import { describeBytes, describeCount, describeShare } from '../../errors/amounts.js'
import { throughputInterval } from '../comparison.js'
import { format } from '../format.js'
import { qualityBounds } from '../quality-bounds.js'
import { table } from './chart.js'
import { html, type Content, type Markup } from './markup.js'
import type { ReportData } from './report-data.js'
import { calibrationNote, profileNote, type ProfileNotes } from '../measurement-notes.js'

/** The verdict and the figures by which one decides. */
export function headline({ result }: ReportData): Markup {
  const { verdict, reasons, ratios, limits, child, wouldTake = [] } = result
  const accepted = verdict === 'accepted'
  const speed = throughputInterval({ limits })
  const cards: readonly (readonly [name: string, figure: string, more?: string | undefined])[] = [
    ['throughput', `${ratios.throughput.toFixed(2)}x`, speed && range(speed)],
    ...(ratios.accuracy === null ? [] : ([['accuracy kept', describeShare(ratios.accuracy)]] as const)),
    ['perplexity', `${(child.perplexity / result.parent.perplexity).toFixed(3)}x`],
    ['KL to the parent', format(child.kl), 'nats per token'],
    ['memory', describeShare(ratios.memory), 'of the parent, in the scenario'],
    ['parameters', describeShare(ratios.parameters), 'of the parent'],
  ]
  return html`<h1>${accepted ? 'A child was found' : 'No acceptable child was found'}</h1>
    <p class="dim">Run ${result.run}</p>
    ${
      reasons.length > 0 &&
      html`<ul>
        ${reasons.map((reason) => html`<li class="bad">${reason}</li>`)}
      </ul>`
    }
    ${wouldTake.length > 0 && html`<p>This is the nearest child. It would be accepted with ${wouldTake.join(' and ')}.</p>`}
    <ul class="cards">
      ${cards.map(([name, figure, more]) => html`<li>${name}<b>${figure}</b><span class="dim">${more}</span></li>`)}
    </ul>`
}

const range = ([low, high]: readonly [number, number]): string => `${low.toFixed(2)}x to ${high.toFixed(2)}x`

const verdictOn = (held: boolean): Markup =>
  html`<span class="${held ? 'good' : 'bad'}">${held ? 'met' : 'not met'}</span>`

/** A figure in the unit of the limit that it is held against, whose text ends with the unit; nothing for none. */
function asLimited(limit: string, figure: number | undefined): string {
  if (figure === undefined) return ''
  if (limit.endsWith(' of the parent')) return `${format(figure)}x`
  if (limit.endsWith(' bytes')) return describeBytes(figure)
  if (/\bparameters <= /.test(limit)) return describeCount(figure)
  const [, unit = ''] = /( (?:tokens\/s|seconds))$/.exec(limit) ?? []
  return `${format(figure)}${unit}`
}

/** Parent and child side by side, and every limit and bound on quality. */
export function comparison({ result }: ReportData): Markup {
  const { parent, child, ratios, limits, timing, calibration, profile } = result
  const row = (name: string, a: number | null, b: number | null, ratio?: number | null): readonly Content[] => [
    name,
    format(a),
    format(b),
    format(ratio),
  ]
  const rows = [
    row('throughput, tokens/s', parent.throughput.measured, child.throughput.measured, ratios.throughput),
    ...(parent.prefill && child.prefill
      ? [row('time to the first token, s', parent.prefill.measured, child.prefill.measured, ratios.prefill)]
      : []),
    ...(parent.tokenLatency && child.tokenLatency
      ? [row('time per token, s', parent.tokenLatency.measured, child.tokenLatency.measured, ratios.tokenLatency)]
      : []),
    row('mean task accuracy', parent.accuracy, child.accuracy, ratios.accuracy),
    row('perplexity', parent.perplexity, child.perplexity, child.perplexity / parent.perplexity),
    row('KL, nats per token', 0, child.kl),
    ['parameters', describeCount(parent.parameters), describeCount(child.parameters), format(ratios.parameters)],
    [
      'memory in the scenario',
      describeBytes(parent.memoryBytes),
      describeBytes(child.memoryBytes),
      format(ratios.memory),
    ],
  ]
  const judged = [
    ...limits.map(({ limit, held, value, interval }) => [
      ...[limit, verdictOn(held), ...[value, interval?.[0], interval?.[1]].map((figure) => asLimited(limit, figure))],
    ]),
    ...qualityBounds(result.quality).map(({ bound, held, value }) => [
      ...[bound, verdictOn(held), value === null ? format(value) : asLimited(bound, value), '', ''],
    ]),
  ]
  return html`<h2>Parent and child</h2>
    ${table(
      timing &&
        `They ran the scenario in turn, ${timing.child.length} times each in ${timing.sessions} ${timing.sessions === 1 ? 'session' : 'sessions'}. The ratio of throughputs is the median over the pairs, not the quotient of the two figures.`,
      ['', '#parent', '#child', '#ratio'],
      rows,
    )}
    <h2>Limits</h2>
    ${
      judged.length === 0
        ? html`<p>None.</p>`
        : table(
            timing &&
              limits.length > 0 &&
              `Intervals have ${format(100 * (1 - 2 * timing.error))} % confidence; all of an interval must be on the right side.`,
            ['limit', '', '#measured', '#from', '#to'],
            judged,
          )
    }
    ${calibration && note(calibrationNote(calibration), false)} ${profile && profileLine(profile)}`
}

/** How the costs of blocks were measured; set off where the machine was busy. */
function profileLine(profile: ProfileNotes): Markup {
  const { text, disturbed } = profileNote(profile)
  return note(text, disturbed)
}

/** A note with code between backticks. */
function note(text: string, bad: boolean): Markup {
  const parts = text.split(/`([^`]+)`/)
  return html`<p class="${bad ? 'bad' : 'dim'}">
    ${parts.map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}
  </p>`
}
