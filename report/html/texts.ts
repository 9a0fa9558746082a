import { html, type Markup } from './markup.js'
import type { Continuation, ReportData } from './report-data.js'

/** Prompts of the spec, which somebody wants to see, and held-out texts that are seen at once; more are folded away. */
const [openPrompts, openTexts] = [20, 4]

/** Prompts of the spec, and beginnings of held-out texts, as parent and child continue them, side by side. */
export function continuations({ texts, result }: ReportData): Markup | false {
  const { prompts = [], continuations: held = [] } = texts ?? {}
  const all = [...prompts, ...held]
  if (all.length === 0) return false
  const same = all.filter(({ parent, child }) => parent === child).length
  const unseen = result.measuredOn === 'test' ? 'texts that the search has not seen' : 'held-out texts'
  const begun = [prompts.length > 0 && 'the prompts of the spec', held.length > 0 && `the beginning of ${unseen}`]
  return html`<h2>What parent and child write</h2>
    <p class="dim">
      Both continue ${begun.filter((own) => own !== false).join(', and ')} with their most likely
      tokens${held.length > 0 && '; “in the data” is how the text really goes on'}. In ${same} of ${all.length} texts,
      the child writes exactly what the parent writes. One different token changes all that follow it, so this shows the
      style and sense of the answers, and is not a measure of quality.
    </p>
    ${sides(prompts, openPrompts)} ${sides(held, openTexts)}`
}

const sides = (all: readonly Continuation[], open: number): Markup =>
  html`${all.slice(0, open).map(side)}
  ${
    all.length > open &&
    html`<details>
      <summary>${all.length - open} more</summary>
      ${all.slice(open).map(side)}
    </details>`
  }`

const side = ({ prompt, actual, parent, child }: Continuation): Markup =>
  html`<div class="texts">
    <p class="prompt"><b>Prompt</b> ${prompt}</p>
    <dl>
      <div>
        <dt>parent</dt>
        <dd>${parent}</dd>
      </div>
      <div>
        <dt>child${parent === child && html` <span class="good">(the same)</span>`}</dt>
        <dd>${marked(child, parent)}</dd>
      </div>
      ${
        actual !== undefined &&
        html`<div>
          <dt>in the data</dt>
          <dd>${actual}</dd>
        </div>`
      }
    </dl>
  </div>`

/** A text, marked from the word on in which it differs from another. */
function marked(text: string, other: string): Markup {
  if (text === other) return html`${text}`
  const [words, others] = [text.split(/(?<=\s)/), other.split(/(?<=\s)/)]
  const at = words.findIndex((word, i) => word.trim() !== others[i]?.trim())
  const from = at === -1 ? words.length : at
  return html`${words.slice(0, from).join('')}<mark>${words.slice(from).join('')}</mark>`
}
