import { table } from './chart.js'
import { comparison, headline } from './headline.js'
import { architecture, scoreMap } from './layers.js'
import { asMarkup, html, type Markup } from './markup.js'
import type { ReportData } from './report-data.js'
import { search } from './search.js'
import { style } from './style.js'
import { tasks } from './tasks.js'
import { time, training } from './training.js'

/** What the search had to do without, and notes on the parent. */
function omissions({ result: { leftOut = [], warnings = [] } }: ReportData): Markup | false {
  if (leftOut.length + warnings.length === 0) return false
  return html`<h2>Left out, and notes</h2>
    <ul>
      ${leftOut.map(({ task, reason }) => html`<li>${task}: ${reason}</li>`)}
      ${warnings.map((warning) => html`<li>On the parent: ${warning}</li>`)}
    </ul>`
}

/** How to make the same again. */
function origin({ result, startedAt, finishedAt, spec, command, versions, machine }: ReportData): Markup {
  const facts = [
    ['run', result.run],
    ['started', startedAt],
    ...(finishedAt === undefined ? [] : [['last task ended', finishedAt]]),
    ['spec', html`<code>${result.specDigest}</code>`],
    ...Object.entries(versions),
    ...Object.entries(machine ?? {}).map(([name, value]) => [`costs measured on: ${name}`, String(value)]),
  ]
  return html`<h2>How to make it again</h2>
    <pre tabindex="0">${command}</pre>
    ${table(false, ['', ''], facts)}
    <details>
      <summary>The spec, with all defaults</summary>
      <pre tabindex="0">${spec}</pre>
    </details>`
}

/**
 * A page about a search in one file: HTML with its style and charts, without scripts and without anything to fetch.
 * Its figures are those of `result.json`.
 */
export function reportPage(data: ReportData): string {
  return `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${data.result.run}: ${data.result.verdict}</title>
        <style>
          ${asMarkup(style)}
        </style>
      </head>
      <body>
        <main>
          ${headline(data)} ${comparison(data)} ${tasks(data)} ${architecture(data)} ${search(data)} ${training(data)}
          ${scoreMap(data)} ${time(data)} ${omissions(data)} ${origin(data)}
        </main>
      </body>
    </html>`.text
  }\n`
}
