import { visible } from './visible.js'

/** Most characters of a text from outside on a page. */
const longest = 1000

/**
 * A text from outside as one line of a Markdown page, with nothing in it that makes a link, an image, HTML or another cell.
 * Ordinary names stay as they are: `arc_easy`, `grouped-query-2`, `<= 70%`.
 *
 *     plainMarkdown('![x](http://a.example)') // '!\\[x\\](http\\://a.example)'
 */
export function plainMarkdown(text: string): string {
  const cut = text.length > longest ? `${text.slice(0, longest - 1)}…` : text
  return (
    visible(cut.replace(/\s+/g, ' ').trim())
      .replace(/[\\`*[\]|]/g, '\\$&')
      .replace(/~(?=~)/g, '\\~')
      .replace(/<(?=[A-Za-z/!?])/g, '\\<')
      .replace(/&(?=[#A-Za-z])/g, '\\&')
      // Within a word, underscores mean nothing.
      .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
      // Bare addresses become links, too.
      .replace(/:(?=\/\/)/g, '\\:')
      .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}\\.`)
      .replace(/\b(mailto|xmpp):/gi, '$1\\:')
  )
}

/** A text as code in a line of a Markdown page, with its quotes and breaks escaped as in JSON. */
export function codeMarkdown(text: string): string {
  const plain = JSON.stringify(text).slice(1, -1)
  const longest = Math.max(0, ...(plain.match(/`+/g) ?? []).map((ticks) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  const space = plain.startsWith('`') || plain.endsWith('`') ? ' ' : ''
  return `${fence}${space}${plain}${space}${fence}`
}

/** Temporal's server allows 400 bytes for a summary, encrypted or not, which includes the stage's name. */
const [longestSummary, mostSummaryBytes] = [100, 200]

/** A text from outside as (a part of) a summary in the Temporal UI, which is a line of Markdown. */
export function summaryMarkdown(text: string): string {
  const letters = [...text.slice(0, 2 * longestSummary + 2)]
  for (let most = longestSummary; ;) {
    const shown = plainMarkdown(letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : text)
    const bytes = new TextEncoder().encode(shown).length
    if (bytes <= mostSummaryBytes) return shown
    most = Math.floor((Math.min(most, letters.length) * mostSummaryBytes) / bytes)
  }
}
