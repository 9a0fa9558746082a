import { plainMarkdown as plain } from '../errors/markdown.js'
import { format } from './format.js'

/** The type of the child's head, and what each that the space lists would have given. */
export interface HeadResult {
  readonly child: string
  /** Absent where there was no choice. */
  readonly considered?: readonly (
    | {
        readonly head: string
        readonly batch: number
        readonly objective: number
        readonly throughput: number
        readonly memoryBytes: number
      }
    | { readonly head: string; readonly batch: number; readonly reason: string }
  )[]
}

/** In which type the child holds its head. */
export const headNote = ({ child }: HeadResult): string =>
  child === 'float32' ? "The child's head is the parent's." : `The child's head is held in ${child}.`

/** The same, and of which types it was chosen. @param lost  what objectives measure */
export function headSection(head: HeadResult | undefined, lost: string): string[] {
  if (!head) return []
  const { child, considered = [] } = head
  const solved = considered.flatMap((own) => ('reason' in own ? [] : [own]))
  const rows = solved.map(({ head: kind, batch, objective, throughput, memoryBytes }) => {
    const cells = [batch, objective, throughput, memoryBytes].map((value) => format(value))
    return `| ${kind}${kind === child ? ', chosen' : ''} | ${cells.join(' | ')} |`
  })
  const reasons = considered.flatMap((own) =>
    'reason' in own ? [`- ${own.head} at batch ${own.batch}: ${plain(own.reason)}`] : [],
  )
  const table = [
    `| head | batch | predicted ${lost} | throughput, tokens/s (predicted) | memory, bytes |`,
    '|---|---:|---:|---:|---:|',
  ]
  return [
    '## Head',
    '',
    headNote(head),
    '',
    ...(rows.length > 0 ? [...table, ...rows, ''] : []),
    ...reasons,
    ...(reasons.length > 0 ? [''] : []),
  ]
}
