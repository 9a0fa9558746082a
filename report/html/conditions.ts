import type { BatchesResult } from '../batches-section.js'
import { describeBytes } from '../../errors/amounts.js'
import { format } from '../format.js'
import type { ScenarioResult } from '../scenarios-section.js'
import { table } from './chart.js'
import { html, type Content, type Markup } from './markup.js'
import type { ReportData } from './report-data.js'

/** What was measured in each of several scenarios, and at which batches, where the search has chosen them. */
export const conditions = ({ result: { scenarios = {}, batches } }: ReportData): Markup =>
  html`${scenarioTable(scenarios)} ${batches && batchTable(batches)}`

function scenarioTable(scenarios: Readonly<Record<string, ScenarioResult>>): Markup | false {
  const all = Object.entries(scenarios)
  if (all.length === 0) return false
  const rows = all.flatMap(
    ([
      name,
      {
        scenario: { batch, prefill, generate },
        parent,
        child,
        ratios,
      },
    ]) => {
      const served = `${batch} × (${prefill} prompt + ${generate} generated tokens)`
      const row = (title: string, a: number, b: number, ratio: number): readonly Content[] => [
        ...[name, served, title, format(a), format(b), format(ratio)],
      ]
      return [
        row('throughput, tokens/s', parent.throughput.measured, child.throughput.measured, ratios.throughput),
        row('time to the first token, s', parent.prefill.measured, child.prefill.measured, ratios.prefill),
        row('time per token, s', parent.tokenLatency.measured, child.tokenLatency.measured, ratios.tokenLatency),
        [
          ...[name, served, 'memory', describeBytes(parent.memoryBytes), describeBytes(child.memoryBytes)],
          format(ratios.memory),
        ],
      ]
    },
  )
  return html`<h2>Scenarios</h2>
    ${table(
      `Figures elsewhere on this page that depend on a scenario are for the first, ${all[0]![0]}.`,
      ['scenario', 'sequences', '', '#parent', '#child', '#ratio'],
      rows,
    )}`
}

const sequences = (count: number): string => (count === 1 ? 'one sequence' : `${count} sequences`)

function batchTable({ child, parent, parentFits, considered }: BatchesResult): Markup {
  return html`<h2>Batches</h2>
    <p>
      The child serves ${sequences(child)} at once, the parent ${child === parent ? 'as many' : sequences(parent)}: each
      at its best batch, as
      predicted.${!parentFits && ' The parent meets the memory limit at no batch: the parent that the child is compared with does not fit where the child does.'}
    </p>
    ${table(
      false,
      ['batch', '#predicted loss', '#throughput, tokens/s (predicted)', '#memory', ''],
      considered.map((own): readonly Content[] =>
        'reason' in own
          ? [own.batch, '–', '–', '–', own.reason]
          : [
              ...[own.batch, format(own.objective), format(own.throughput), describeBytes(own.memoryBytes)],
              own.batch === child ? 'chosen' : '',
            ],
      ),
    )}`
}

/** What was tried after the first child fell short. */
export function attempts({ result: { attempts: all = [] } }: ReportData): Markup | false {
  if (all.length === 0) return false
  return html`<h2>Further attempts</h2>
    ${table(
      'Throughput and accuracy are multiples of the parent’s.',
      ['because', 'action', '#tokens', '#KL', '#throughput', '#accuracy'],
      all.map(({ because, action, tokens, kl, throughput, accuracy }) => [
        ...[because.join('; '), action, tokens, format(kl), format(throughput), format(accuracy)],
      ]),
    )}`
}
