import { table } from './chart.js'
import { mostListed, scoreMap } from './layers.js'
import { html, type Markup } from './markup.js'
import type { ReportData } from './report-data.js'
import { certificate, refinement } from './search.js'
import { trainingCurve } from './training.js'

/** The first of two rounds: how its child was chosen and trained, and what the second one made of each layer. */
export function firstRound({ firstRound: round, result }: ReportData): Markup | false {
  const { base, child } = result
  if (!round || !base) return false
  const { solver, refined, training, scores = [] } = round
  const changed = base.layers.flatMap((before, layer) => {
    const after = child.layers[layer]
    return after && (after.attention !== before.attention || after.ffn !== before.ffn) ? [{ layer, before, after }] : []
  })
  return html`<h2>The first round</h2>
    <p>${certificate(solver)}</p>
    ${refined && html`<p>${refinement(refined)}</p>`}
    ${training && trainingCurve('KL during the uptraining of the first round', training)}
    ${
      changed.length === 0
        ? html`<p>The second round kept all blocks of the first.</p>`
        : table(
            'Layers that the second round changed.',
            ['#layer', 'attention, first round', 'attention', 'FFN, first round', 'FFN'],
            changed.map(({ layer, before, after }) => [
              ...[layer, before.attention, after.attention, before.ffn, after.ffn],
            ]),
          )
    }
    ${scores.length <= mostListed && scoreMap('Scores of the first round', scores, child.layers.length)}`
}
