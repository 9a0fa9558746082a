import { createHash } from 'node:crypto'
import { withItems, type AnyItem, type TaskForm, type TaskItems } from './task.js'

/** An item as it is read. */
export interface ReadItem {
  readonly item: AnyItem
  /** The document that it is made of, by which its side of a split is told. */
  readonly content: string
  /** The document is an example in prompts of the others. */
  readonly shown?: boolean
}

/** A task as it is read: one set of items, or those for the search and those that only the final evaluation sees. */
export interface ReadTask {
  readonly name: string
  readonly form: TaskForm
  readonly items: readonly ReadItem[]
  readonly test?: readonly ReadItem[]
}

/** How validation and test came about: two sets were `given`, one was divided by `content`, or both are the `same`. */
export type SplitKind = 'given' | 'content' | 'same'

/** A task's items for the search, and those that only the final evaluation sees. */
export interface SplitTask {
  readonly split: SplitKind
  readonly validation: TaskItems
  readonly test: TaskItems
}

/** Fewer items than these are not divided: either side would be noise. */
export const leastDivided = 20

/** Whether a document belongs to the test set, by its content alone: the same document always does, wherever it stands. */
export const isTest = (content: string | Uint8Array, share: number): boolean =>
  createHash('sha256').update(content).digest().readUInt32BE(0) / 2 ** 32 < share

/** How many items of one set are read, so that each side of a split gets as many as are wanted. */
export const toRead = (most: number, share: number): number =>
  share === 0 || most === Infinity ? most : Math.ceil(most / Math.max(0.05, Math.min(share, 1 - share)))

/**
 * Divides a task's items into those for the search and those that only the final evaluation sees.
 * @param share  of a single set that is for the test; 0: it serves for both
 * @param most   items of each
 */
export function splitTask({ form, items: first, test: second }: ReadTask, share: number, most: number): SplitTask {
  const task = (items: readonly ReadItem[]) =>
    withItems(
      form,
      items.slice(0, most).map(({ item }) => item),
    )
  // What every prompt of the search shows is nothing that it has not seen.
  if (second) return { split: 'given', validation: task(first), test: task(second.filter(({ shown }) => !shown)) }
  const held = first.filter(({ content, shown }) => !shown && isTest(content, share))
  const validation = first.filter(({ content, shown }) => shown || !isTest(content, share))
  if (first.length < leastDivided || held.length === 0 || validation.length === 0)
    return { split: 'same', validation: task(first), test: task(first) }
  return { split: 'content', validation: task(validation), test: task(held) }
}
