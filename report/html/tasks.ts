import { withError, type PairedTask } from '../tasks-section.js'
import { table } from './chart.js'
import { html, type Markup } from './markup.js'
import type { ReportData } from './report-data.js'

type Listed = NonNullable<PairedTask['outcomes']>['losses'][number]

/** Every task, parent and child item by item. */
export function tasks({ result }: ReportData): Markup | false {
  const { paired = {}, parent, child, measuredOn } = result
  const names = Object.keys(paired)
  if (names.length === 0) return false
  const rows = names.flatMap((name) =>
    Object.entries(paired[name]!.differences).map(([metric, difference]) => {
      const { items, outcomes } = paired[name]!
      const own = outcomes?.metric === metric ? outcomes : undefined
      return [
        name,
        metric,
        items,
        withError(parent.metrics?.[name]?.[metric]),
        withError(child.metrics?.[name]?.[metric]),
        withError(difference),
        own?.parentOnly,
        own?.childOnly,
      ]
    }),
  )
  return html`<h2>Tasks</h2>
    ${table(
      `With standard errors, on ${measuredOn === 'test' ? 'test data, which the search has not seen' : 'validation data, by which the search has chosen'}. The difference is child minus parent on the same items.`,
      [
        'task',
        'metric',
        '#items',
        '#parent',
        '#child',
        '#difference',
        '#only the parent right',
        '#only the child right',
      ],
      rows,
    )}
    ${names.map((name) => listed(name, paired[name]!.outcomes))}`
}

function listed(name: string, outcomes: PairedTask['outcomes']): Markup | false {
  if (!outcomes || outcomes.losses.length + outcomes.wins.length === 0) return false
  const row =
    (which: string) =>
    ({ item, prompt, expected, parent, child }: Listed) => [
      which,
      item,
      html`<code>${prompt}</code>`,
      html`<code>${expected}</code>`,
      parent !== undefined && html`<code>${parent}</code>`,
      child !== undefined && html`<code>${child}</code>`,
    ]
  return html`<details>
    <summary>Items of ${name} that only one of the two answers right</summary>
    ${table(
      false,
      ['right', '#item', 'prompt', 'expected', 'parent', 'child'],
      [...outcomes.losses.map(row('parent')), ...outcomes.wins.map(row('child'))],
    )}
  </details>`
}
