import { codeMarkdown as code, plainMarkdown as plain } from '../errors/markdown.js'
import { format } from './format.js'

/** A figure with its standard error. */
export interface Estimate {
  readonly value: number
  readonly stderr: number | null
}

/** An item that only one of the two answers right. */
export interface ListedItem {
  readonly item: number
  readonly prompt: string
  readonly expected: string
  readonly parent?: string
  readonly child?: string
}

/** Parent and child on the same items of a task. */
export interface PairedTask {
  readonly items: number
  readonly differences: Readonly<Record<string, Estimate>>
  readonly outcomes?: {
    readonly metric: string
    readonly both: number
    readonly neither: number
    readonly parentOnly: number
    readonly childOnly: number
    readonly losses: readonly ListedItem[]
    readonly wins: readonly ListedItem[]
  }
}

type Metrics = Readonly<Record<string, Readonly<Record<string, Estimate>>>>

/** How what was measured was kept from the search: two sets were given, one was divided by content, or both are the same. */
export interface Splits {
  readonly text: 'given' | 'content' | 'same'
  readonly tasks: Readonly<Record<string, 'given' | 'content' | 'same'>>
}

/** What is shown of tasks. */
export interface TasksResult {
  readonly parent: { readonly metrics?: Metrics | undefined }
  readonly child: { readonly metrics?: Metrics | undefined }
  readonly paired?: Readonly<Record<string, PairedTask>>
  /** What the child was measured on. */
  readonly measuredOn?: 'test' | 'validation'
  readonly splits?: Splits
}

/** Most items of each kind on the page; the result has more. */
const mostShown = 5

/** A figure with its standard error; a dash where nothing was measured. */
export const withError = (estimate: Estimate | undefined): string =>
  !estimate || estimate.stderr === null
    ? format(estimate?.value)
    : `${format(estimate.value)} ± ${Number(estimate.stderr.toPrecision(2))}`

/** Tasks item by item, and whether the search has seen them. */
export function tasksSection(result: TasksResult): string[] {
  const { parent, child, paired = {} } = result
  const tasks = Object.keys(paired)
  if (tasks.length === 0) return seenNote(result)
  const rows = tasks.flatMap((task) =>
    Object.entries(paired[task]!.differences).map(([metric, difference]) => {
      const { items, outcomes } = paired[task]!
      const before = parent.metrics?.[task]?.[metric]
      const after = child.metrics?.[task]?.[metric]
      const [lost, won] = outcomes?.metric === metric ? [outcomes.parentOnly, outcomes.childOnly] : ['', '']
      const cells = [
        plain(task),
        plain(metric),
        items,
        before && withError(before),
        after && withError(after),
        withError(difference),
      ]
      return `| ${[...cells, lost, won].join(' | ')} |`
    }),
  )
  return [
    '## Tasks',
    '',
    'With standard errors. The difference is child minus parent on the same items, so its error is smaller than theirs.',
    '',
    '| task | metric | items | parent | child | difference | only the parent right | only the child right |',
    '|---|---|---:|---:|---:|---:|---:|---:|',
    ...rows,
    '',
    ...seenNote(result),
    ...tasks.flatMap((task) => listed(task, paired[task]!.outcomes)),
  ]
}

function listed(task: string, outcomes: PairedTask['outcomes']): string[] {
  const lines = (title: string, items: readonly ListedItem[] = [], count = 0): string[] =>
    items.length === 0
      ? []
      : [
          `${title} of ${plain(task)}${count > mostShown ? ` (${mostShown} of ${count})` : ''}:`,
          '',
          ...items.slice(0, mostShown).map(line),
          '',
        ]
  return [
    ...lines('Lost items', outcomes?.losses, outcomes?.parentOnly),
    ...lines('Won items', outcomes?.wins, outcomes?.childOnly),
  ]
}

function line({ item, prompt, expected, parent, child }: ListedItem): string {
  const said = [
    ...(parent === undefined ? [] : [`the parent says ${code(parent)}`]),
    ...(child === undefined ? [] : [`the child ${code(child)}`]),
  ]
  return `- ${item}: ${code(prompt)} → ${code(expected)}${said.length > 0 ? `; ${said.join(', ')}` : ''}`
}

/** Whether figures are of what the search has not seen. */
function seenNote({ measuredOn, splits }: TasksResult): string[] {
  if (!splits || measuredOn === undefined) return []
  if (measuredOn === 'validation')
    return [
      'These figures are for the validation split, by which the search has chosen: no stage measured the test split.',
      '',
    ]
  const same = [
    ...(splits.text === 'same' ? ['text (KL, perplexity)'] : []),
    ...Object.entries(splits.tasks).flatMap(([task, kind]) => (kind === 'same' ? [`task ${plain(task)}`] : [])),
  ]
  return [
    same.length === 0
      ? 'Accuracy, perplexity and KL are for the test split, which the search has not seen.'
      : `Measured on what the search has seen, because there was too little to divide: ${same.join(', ')}. The rest is for the test split.`,
    '',
  ]
}
