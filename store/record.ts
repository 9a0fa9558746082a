import { isMap } from '../errors/foreign.js'
import { isInnerPath } from '../errors/inner-path.js'
import { canonicalJson, digestJson, isDigest, type Digest } from './digest.js'
import type { Signer } from './signer.js'
import type { ArtifactRef, TaskRecord } from './store.js'

/** A record's name for signatures and messages. */
export const recordTitle = (key: Digest): string => `record ${key}`

/** A record as it is kept: signed, if there is a key. */
export function signedRecord(record: TaskRecord, signer: Signer | undefined): TaskRecord {
  if (!signer) return record
  const content = unsigned(record)
  return { ...content, signature: signer.sign(recordTitle(record.key), content) }
}

const unsigned = ({ signature: _, ...content }: TaskRecord): TaskRecord => content

/** Writes a record's file: the record and its digest. */
export const recordText = (record: TaskRecord): string =>
  JSON.stringify({ ...record, digest: digestJson(record) }, null, 1)

/**
 * Reads a record's file, which anybody may have written who can write to the store. A record counts as absent, so its task is run
 * again, if it has changed since it was written, if its key is not the digest of its components, if its outputs are not outputs,
 * or if it is not signed with the signer's key.
 */
export function readRecord(text: string | undefined, key: Digest, signer?: Signer): TaskRecord | undefined {
  const read = readJsonText(text)
  if (!isMap(read)) return undefined
  const { digest, ...record } = read
  if (!isRecord(record) || record.key !== key || digest !== digestJson(record)) return undefined
  if (digestJson(record.components) !== key) return undefined
  return !signer || signer.accepts(recordTitle(key), unsigned(record), record.signature) ? record : undefined
}

function isRecord(record: Readonly<Record<string, unknown>>): record is Readonly<Record<string, unknown>> & TaskRecord {
  const { version, components, outputs, seconds, finishedAt, host } = record
  const texts = [finishedAt, host]
  return (
    version === 1 &&
    isMap(components) &&
    isMap(outputs) &&
    isMap(outputs.values) &&
    isMap(outputs.files) &&
    Object.entries(outputs.files).every(([name, ref]) => isOutputName(name) && isArtifactRef(ref)) &&
    typeof seconds === 'number' &&
    seconds >= 0 &&
    texts.every((own) => typeof own === 'string')
  )
}

/** Whether a name of an output can become a path below a folder, and be shown. */
export const isOutputName = (name: string): boolean =>
  isInnerPath(name) && name.length <= 1000 && !/[\0-\x1f\x7f]/.test(name)

/** Whether something is a reference to an artifact. */
export const isArtifactRef = (value: unknown): value is ArtifactRef =>
  isMap(value) &&
  isDigest(value.digest) &&
  Number.isSafeInteger(value.bytes) &&
  Number(value.bytes) >= 0 &&
  typeof value.kind === 'string'

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
