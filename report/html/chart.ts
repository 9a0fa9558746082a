import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { labels, type Drawn, type Labelled } from './labels.js'
import { asMarkup, html, type Content, type Markup } from './markup.js'

// Charts are drawn once, into a document without a browser.
const { document } = parseHTML('<!doctype html><html><body></body></html>') as { readonly document: object }

/** What is used of an element; the types of browsers are not known here. */
interface Drawing {
  readonly outerHTML: string
  setAttribute(name: string, value: string): void
  removeAttribute(name: string): void
  querySelectorAll(selector: string): Iterable<Drawing>
}

/** Colours that follow the page's, light or dark. */
export const colours = { first: 'var(--accent)', second: 'var(--second)', dim: 'var(--dim)' } as const

/**
 * A chart with its caption.
 * @param label  what it shows, for those who cannot see it
 * @param beside  texts beside its points, where there is room for them
 */
export function chart(
  label: string,
  options: Plot.PlotOptions,
  caption: Content,
  beside: readonly Labelled[] = [],
): Markup {
  const { width = 720, marks = [] } = options
  const draw = (all: readonly Plot.Markish[]) =>
    Plot.plot({
      // Else the axis' label lies on its ticks.
      marginBottom: 44,
      ...options,
      ...{ width, marks: [...all], document, figure: false },
      style: { background: 'none', fontSize: '13px' },
    }) as Drawing & Drawn
  const svg = draw(beside.length === 0 ? marks : [...marks, ...labels(draw(marks), width, beside)])
  // It is one picture: its parts have no names.
  for (const part of svg.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', label)
  return html`<figure>
    <div class="scroll" tabindex="0" role="group" aria-label="${label}">${asMarkup(svg.outerHTML)}</div>
    <figcaption>${caption}</figcaption>
  </figure>`
}

/** A table. @param columns  names, those of numbers with a leading `#`; @param rows  cells in their order */
export function table(caption: Content, columns: readonly string[], rows: readonly (readonly Content[])[]): Markup {
  const kinds = columns.map((name) => asMarkup(name.startsWith('#') ? ' class="n"' : ''))
  // Not a caption, which would be as narrow as the table.
  return html`${caption && html`<p class="dim note">${caption}</p>`}
    <div class="scroll" tabindex="0" role="group" aria-label="Table">
      <table>
        <thead>
          <tr>
            ${columns.map((name, i) =>
              name === '' ? html`<td></td>` : html`<th scope="col" ${kinds[i]}>${name.replace(/^#/, '')}</th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${row.map((cell, i) => html`<td ${kinds[i]}>${cell}</td>`)}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>`
}
