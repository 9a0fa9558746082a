import { withError, type ListedItem, type PairedTask } from '../tasks-section.js'
import { table } from './chart.js'
import { html, type Markup } from './markup.js'
import type { ReportData, ShownTexts } from './report-data.js'

/** Every task, parent and child item by item. */
export function tasks({ result, texts }: ReportData): Markup | false {
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
    ${names.map((name) => listed(name, paired[name]!.outcomes, texts?.tasks[name]))}`
}

/** Items that only one of the two answers right. @param shown  the same items with longer texts and both answers, where they are known */
function listed(
  name: string,
  outcomes: PairedTask['outcomes'],
  shown: ShownTexts['tasks'][string] | undefined,
): Markup | false {
  const { losses = [], wins = [] } = shown ?? outcomes ?? {}
  if (!outcomes || losses.length + wins.length === 0) return false
  const part = (title: string, items: readonly ListedItem[], count: number): Markup | false =>
    items.length > 0 &&
    table(
      count > items.length ? `${title} (${items.length} of ${count})` : title,
      ['#item', 'prompt', 'expected', 'parent', 'child'],
      items.map(({ item, prompt, expected, parent, child }) => [
        ...[item, html`<code>${prompt}</code>`, html`<code>${expected}</code>`],
        ...[parent, child].map((said) => (said === undefined ? '–' : html`<code>${said}</code>`)),
      ]),
    )
  return html`<details>
    <summary>
      ${name}: ${count(outcomes.parentOnly, 'item')} lost, ${count(outcomes.childOnly, 'item')} won, with their texts
    </summary>
    ${part('Lost: only the parent is right.', losses, outcomes.parentOnly)}
    ${part('Won: only the child is right.', wins, outcomes.childOnly)}
  </details>`
}

const count = (number: number, name: string): string => `${number} ${name}${number === 1 ? '' : 's'}`
