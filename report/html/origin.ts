import { table } from './chart.js'
import { html, type Markup } from './markup.js'
import type { NamedRun, RunFacts } from './report-data.js'

/** What a run had to do without, and notes on the parent. */
export function omissions({
  leftOut = [],
  warnings = [],
}: {
  readonly leftOut?: readonly { readonly task: string; readonly reason: string }[] | undefined
  readonly warnings?: readonly string[] | undefined
}): Markup | false {
  if (leftOut.length + warnings.length === 0) return false
  return html`<h2>Left out, and notes</h2>
    <ul>
      ${leftOut.map(({ task, reason }) => html`<li>${task}: ${reason}</li>`)}
      ${warnings.map((warning) => html`<li>On the parent: ${warning}</li>`)}
    </ul>`
}

/** How to make the same again. */
export function origin(
  { run, specDigest }: NamedRun,
  { startedAt, finishedAt, spec, command, versions, machine }: RunFacts,
): Markup {
  const facts = [
    ['run', run],
    ['started', startedAt],
    ...(finishedAt === undefined ? [] : [['last task ended', finishedAt]]),
    ['spec', html`<code>${specDigest}</code>`],
    ...Object.entries(versions),
    ...Object.entries(machine ?? {}).map(([name, value]) => [`costs measured on: ${name}`, String(value)]),
  ]
  return html`<h2>How to reproduce it</h2>
    <pre tabindex="0">${command}</pre>
    ${table(false, ['', ''], facts)}
    <details>
      <summary>The spec, with all defaults</summary>
      <pre tabindex="0">${spec}</pre>
    </details>`
}
