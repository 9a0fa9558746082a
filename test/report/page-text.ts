import { parseHTML } from 'linkedom'

/** What is used of an element; the types of browsers are not known here. */
export interface Part {
  readonly textContent: string | null
  readonly attributes: Iterable<{ readonly name: string }>
  getAttribute(name: string): string | null
  querySelector(selector: string): Part | null
  querySelectorAll(selector: string): Iterable<Part>
}

/** Reads a page without a browser. */
export const open = (page: string): Part => (parseHTML(page) as { readonly document: Part }).document

/** An element's text, with single spaces. */
export const textOf = (element: Pick<Part, 'textContent'> | null): string =>
  (element?.textContent ?? '').replace(/\s+/g, ' ').trim()

/** Rows of all tables: the texts of their cells, with bars between them. */
export const rowsOf = (document: Part): string[] =>
  [...document.querySelectorAll('tr')].map((row) => [...row.querySelectorAll('td')].map(textOf).join('|'))

/** What charts show, in words. */
export const chartsOf = (document: Part): (string | null)[] =>
  [...document.querySelectorAll('svg[role=img]')].map((svg) => svg.getAttribute('aria-label'))

/** Parts that no page may have: what runs, and what is fetched. */
export const activeParts = (document: Part): string[] => [
  ...[...document.querySelectorAll('script, img, a, iframe, object, link')].map(textOf),
  ...[...document.querySelectorAll('*')].flatMap((element) =>
    [...element.attributes].flatMap(({ name }) => (name.startsWith('on') ? [name] : [])),
  ),
]
