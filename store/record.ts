import { canonicalJson, digestJson, type Digest } from './digest.js'
import type { TaskRecord } from './store.js'

/** Writes a record's file: the record and its digest. */
export const recordText = (record: TaskRecord): string =>
  JSON.stringify({ ...record, digest: digestJson(record) }, null, 1)

/** Reads a record's file. A damaged record, or one with another key, counts as absent, so its task is run again. */
export function readRecord(text: string | undefined, key: Digest): TaskRecord | undefined {
  const read = readJsonText(text) as (TaskRecord & { readonly digest?: Digest }) | undefined
  if (typeof read !== 'object' || read === null) return undefined
  const { digest, ...record } = read
  return record.version === 1 && record.key === key && digest === digestJson(record) ? record : undefined
}

/** Reads JSON. Text that is not JSON counts as absent, because its contents can be recreated. */
export function readJsonText(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

export const sameRecord = (one: TaskRecord, two: TaskRecord): boolean => canonicalJson(one) === canonicalJson(two)
