import { consideredTable, type Considered } from './considered.js'

/** The type of the child's head, and what each that the space lists would have given. */
export interface HeadResult {
  readonly child: string
  /** Absent where there was no choice. */
  readonly considered?: readonly (Considered & { readonly head: string })[]
}

/** In which type the child holds its head. */
export const headNote = ({ child }: HeadResult): string =>
  child === 'float32' ? "The child's head is the parent's." : `The child's head is held in ${child}.`

/** The same, and of which types it was chosen. @param lost  what objectives measure */
export function headSection(head: HeadResult | undefined, lost: string): string[] {
  if (!head) return []
  const { child, considered } = head
  const columns = {
    head: (own: { readonly head: string }) => `${own.head}${own.head === child ? ', chosen' : ''}`,
    batch: (own: Considered) => String(own.batch),
  }
  return [
    '## Head',
    '',
    headNote(head),
    '',
    ...(considered ? consideredTable(considered, columns, lost, (own) => `${own.head} at batch ${own.batch}`) : []),
  ]
}
