/** Text that is HTML already. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What a template may hold: text is escaped, nothing and false leave no trace. */
export type Content = Markup | string | number | false | null | undefined | readonly Content[]

/**
 * HTML from a template; whatever is filled in is escaped, unless it is markup itself.
 *
 *     html`<p>${'<script>'}</p>`.text // '<p>&lt;script&gt;</p>'
 */
export const html = (parts: TemplateStringsArray, ...contents: readonly Content[]): Markup =>
  new Markup(parts.map((part, i) => render(contents[i - 1]) + part.replace(indents, '\n')).join(''))

/** How templates are laid out is not for the page. */
const indents = /\n\s+/g

/** Text of a file, such as SVG, that is markup. @param text  from a library, never from outside */
export const asMarkup = (text: string): Markup => new Markup(text)

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

function render(content: Content): string {
  if (content instanceof Markup) return content.text
  if (typeof content === 'number') return String(content)
  if (typeof content === 'string') return visible(content).replace(/[&<>"']/g, (c) => entities.get(c)!)
  if (Array.isArray(content)) return (content as readonly Content[]).map(render).join('')
  return ''
}

/** Control characters and marks that turn the direction of text, as escapes. */
const visible = (text: string): string =>
  text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
