import { html, type Markup } from './markup.js'
import type { Continuation, ReportData } from './report-data.js'

/** Texts that are seen at once; more are folded away. */
const mostOpen = 4

/** Held-out texts as parent and child continue them, side by side. */
export function continuations({ texts, result }: ReportData): Markup | false {
  const all = texts?.continuations ?? []
  if (all.length === 0) return false
  const same = all.filter(({ parent, child }) => parent === child).length
  return html`<h2>What parent and child write</h2>
    <p class="dim">
      Both continue the beginning of
      ${result.measuredOn === 'test' ? 'texts that the search has not seen' : 'held-out texts'} with their most likely
      tokens; “in the data” is how the text really goes on. In ${same} of ${all.length} texts, the child writes exactly
      what the parent writes. One different token changes all that follow, so this shows the style and sense of answers,
      not a measure of quality.
    </p>
    ${all.slice(0, mostOpen).map(side)}
    ${
      all.length > mostOpen &&
      html`<details>
        <summary>${all.length - mostOpen} more</summary>
        ${all.slice(mostOpen).map(side)}
      </details>`
    }`
}

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
      <div>
        <dt>in the data</dt>
        <dd>${actual}</dd>
      </div>
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
