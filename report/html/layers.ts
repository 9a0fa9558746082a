import * as Plot from '@observablehq/plot'
import { format } from '../format.js'
import { headNote } from '../head-section.js'
import { chart, table } from './chart.js'
import { describeShare } from '../../errors/amounts.js'
import { html, type Markup } from './markup.js'
import type { ReportData, ScoredVariant } from './report-data.js'

const slots = ['attention', 'ffn'] as const
type Slot = (typeof slots)[number]

/** What each layer has become, and how much of the parent's time is left there. */
export function architecture({ result, costs, scores = [] }: ReportData): Markup {
  const { layers, runs = [] } = result.child
  const cell = (layer: number, slot: Slot, variant: string): Markup => {
    const usual = costs?.[slot].parent
    const own = costs?.[slot][variant]
    const kept = usual && own !== undefined ? own / usual : undefined
    const score = scores.find((row) => row.layer === layer && row.slot === slot && row[slot] === variant)
    const title = [
      ...(kept === undefined
        ? []
        : [`${format(1000 * own!)} ms in the scenario, ${describeShare(kept)} of the parent’s`]),
      ...(score ? [`KL ${format(score.kl)} alone`] : []),
      ...alternatives(scores, layer, slot, variant),
    ].join('; ')
    return html`<span title="${title}"
      >${
        kept !== undefined &&
        html`<span class="rail"
          ><span class="kept" style="width:${Math.min(100, Math.round(100 * kept))}%"></span
        ></span>`
      }${variant}</span
    >`
  }
  const runOf = (layer: number) =>
    runs.filter((own) => layer >= own.layer && layer < own.layer + own.span).map(({ run }) => run)
  return html`<h2>The child, layer by layer</h2>
    ${table(
      costs && 'Bars: the share of the time that the parent’s block takes in the scenario.',
      ['#layer', ...slots, ...(runs.length > 0 ? ['run of layers'] : [])],
      layers.map((own, layer) => [
        layer,
        ...slots.map((slot) => cell(layer, slot, own[slot])),
        ...(runs.length > 0 ? [runOf(layer).join(', ')] : []),
      ]),
    )}
    ${result.head && html`<p>${headNote(result.head)}</p>`}`
}

/** The best scores of a layer's other variants. */
function alternatives(scores: readonly ScoredVariant[], layer: number, slot: Slot, chosen: string): string[] {
  const others = scores
    .filter((row) => row.layer === layer && row.slot === slot && row[slot] !== chosen && row.run === undefined)
    .sort((a, b) => a.kl - b.kl)
    .slice(0, 4)
  return others.length === 0 ? [] : [`others: ${others.map((row) => `${row[slot]} (KL ${format(row.kl)})`).join(', ')}`]
}

/** Scores beyond which a tooltip and a row for each would make the page too large. */
export const mostListed = 2000

/** The scores of all variants in all layers, before and after distillation. @param depth  layers of the parent */
export function scoreMap(title: string, scores: readonly ScoredVariant[], depth: number): Markup | false {
  const single = scores.flatMap((row) =>
    row.slot === 'block' || row.run !== undefined ? [] : [{ ...row, variant: `${row.slot}: ${row[row.slot]}` }],
  )
  if (single.length === 0) return false
  const cells = single.flatMap(({ layer, variant, kl, kl_before_distillation: before }) => [
    ...(before === null ? [] : [{ layer, variant, kl: before, when: 'before distillation' }]),
    { layer, variant, kl, when: 'after distillation' },
  ])
  const facets = [...new Set(cells.map(({ when }) => when))].sort().reverse()
  const variants = [...new Set(single.map(({ variant }) => variant))].sort()
  const least = Math.max(1e-6, Math.min(...cells.map(({ kl }) => kl).filter((kl) => kl > 0), 1))
  const isListed = single.length <= mostListed
  const titles = isListed && {
    title: (cell: (typeof cells)[number]) => `layer ${cell.layer}, ${cell.variant}: KL ${format(cell.kl)}`,
  }
  return html`<h2>${title}</h2>
    ${chart(
      `${title}: heat map of every variant in every layer`,
      {
        height: 76 + 16 * variants.length,
        width: Math.min(1040, 230 + facets.length * Math.max(120, 18 * depth)),
        marginLeft: 190,
        marginTop: 34,
        x: { label: 'layer', interval: 1, tickSize: 0, ...(depth > 40 && { ticks: [] }) },
        y: { label: null, domain: variants, tickSize: 0 },
        fx: { label: null, domain: facets },
        color: {
          type: 'log',
          scheme: 'YlOrRd',
          label: 'KL, nats per token',
          legend: false,
          domain: [least, Math.max(2 * least, ...cells.map(({ kl }) => kl))],
        },
        marks: [
          Plot.cell(
            cells.map((cell) => ({ ...cell, shown: Math.max(cell.kl, least) })),
            { x: 'layer', y: 'variant', fx: 'when', fill: 'shown', inset: 0.5, ...titles },
          ),
        ],
      },
      `KL of the parent with one block replaced, in nats per token, from pale (harmless) to dark red on a logarithmic scale.${isListed ? ' Point at a cell for its value.' : ''}`,
    )}
    ${
      isListed
        ? html`<details>
            <summary>All scores as a table</summary>
            ${table(
              false,
              ['#layer', 'variant', '#KL before distillation', '#KL'],
              single.map(({ layer, variant, kl, kl_before_distillation: before }) => [
                ...[layer, variant, format(before), format(kl)],
              ]),
            )}
          </details>`
        : html`<p class="dim">
            There are ${single.length} scores, too many for this page: the command <code>scores</code> lists them.
          </p>`
    }`
}
