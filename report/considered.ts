import { plainMarkdown as plain } from '../errors/markdown.js'
import { format } from './format.js'

/** What a batch or a head would have given: predicted loss, tokens/s and bytes of the best solution, or why there is none. */
export type Considered = { readonly batch: number } & (
  | { readonly objective: number; readonly throughput: number; readonly memoryBytes: number }
  | { readonly reason: string }
)

/**
 * A table of what was considered, and below it why there is nothing to show of some.
 * @param columns  names of the first columns, and what they say of each
 * @param lost     what objectives measure
 * @param named    what one without a solution is called
 */
export function consideredTable<T extends Considered>(
  considered: readonly T[],
  columns: Readonly<Record<string, (own: T) => string>>,
  lost: string,
  named: (own: T) => string,
): string[] {
  const names = Object.keys(columns)
  const rows = considered.flatMap((own) => {
    if ('reason' in own) return []
    const figures = [own.objective, own.throughput, own.memoryBytes].map((value) => format(value))
    return [`| ${[...Object.values(columns).map((of) => of(own)), ...figures].join(' | ')} |`]
  })
  const reasons = considered.flatMap((own) => ('reason' in own ? [`- ${named(own)}: ${plain(own.reason)}`] : []))
  return [
    `| ${names.join(' | ')} | predicted ${lost} | throughput, tokens/s (predicted) | memory, bytes |`,
    `|${['---', ...names.slice(1).map(() => '---:')].join('|')}|---:|---:|---:|`,
    ...rows,
    '',
    ...reasons,
    ...(reasons.length > 0 ? [''] : []),
  ]
}
