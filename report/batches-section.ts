import { plainMarkdown as plain } from '../errors/markdown.js'
import { format } from './format.js'

/** The batches that were chosen for child and parent, and what each would have given: predicted loss, tokens/s and bytes of the best
 *  solution, or why there is none. */
export interface BatchesResult {
  readonly child: number
  readonly parent: number
  /** Whether the parent's memory meets an absolute limit at its batch. */
  readonly parentFits: boolean
  readonly considered: readonly (
    | { readonly batch: number; readonly objective: number; readonly throughput: number; readonly memoryBytes: number }
    | { readonly batch: number; readonly reason: string }
  )[]
}

/** At which batches child and parent are served, and of which they were chosen. @param lost  what objectives measure */
export function batchesSection(batches: BatchesResult | undefined, lost: string): string[] {
  if (!batches) return []
  const { child, parent, parentFits, considered } = batches
  const solved = considered.flatMap((own) => ('reason' in own ? [] : [own]))
  const rows = solved.map(({ batch, objective, throughput, memoryBytes }) => {
    const cells = [objective, throughput, memoryBytes].map((value) => format(value))
    return `| ${batch}${batch === child ? ', chosen' : ''} | ${cells.join(' | ')} |`
  })
  return [
    '## Batches',
    '',
    `The child serves ${sequences(child)} at once, the parent ${child === parent ? 'as many' : sequences(parent)}: each at its best batch, as predicted.`,
    ...(parentFits
      ? []
      : [
          'The parent’s memory meets the limit at no batch: what it is compared with does not fit where the child does.',
        ]),
    '',
    `| batch | predicted ${lost} | throughput, tokens/s (predicted) | memory, bytes |`,
    '|---|---:|---:|---:|',
    ...rows,
    '',
    ...considered.flatMap((own) => ('reason' in own ? [`- batch ${own.batch}: ${plain(own.reason)}`] : [])),
    ...(solved.length < considered.length ? [''] : []),
  ]
}

const sequences = (count: number): string => (count === 1 ? 'one sequence' : `${count} sequences`)
