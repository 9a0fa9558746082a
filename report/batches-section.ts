import { consideredTable, type Considered } from './considered.js'

/** The batches that were chosen for child and parent, and what each would have given: predicted loss, tokens/s and bytes of the best
 *  solution, or why there is none. */
export interface BatchesResult {
  readonly child: number
  readonly parent: number
  /** Whether the parent's memory meets an absolute limit at its batch. */
  readonly parentFits: boolean
  readonly considered: readonly Considered[]
}

/** At which batches child and parent are served, and of which they were chosen. @param lost  what objectives measure */
export function batchesSection(batches: BatchesResult | undefined, lost: string): string[] {
  if (!batches) return []
  const { child, parent, parentFits, considered } = batches
  return [
    '## Batches',
    '',
    `The child serves ${sequences(child)} at once, the parent ${child === parent ? 'as many' : sequences(parent)}: each at its best batch, as predicted.`,
    ...(parentFits
      ? []
      : [
          'The parent meets the memory limit at no batch: the parent that the child is compared with does not fit where the child does.',
        ]),
    '',
    ...consideredTable(
      considered,
      { batch: ({ batch }) => `${batch}${batch === child ? ', chosen' : ''}` },
      lost,
      ({ batch }) => `batch ${batch}`,
    ),
  ]
}

const sequences = (count: number): string => (count === 1 ? 'one sequence' : `${count} sequences`)
