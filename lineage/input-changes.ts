import { basename } from 'node:path'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Listing, Listings } from '../spec/input-digests.js'
import { isDigest } from '../store/digest.js'
import type { Digest, Store } from '../store/index.js'
import { inWords, type Difference } from './differences.js'

const documentOf = (digest: Digest) => `folders/${digest}`

/** Stores the contents of folders, so that a later plan can name the files that have changed. */
export async function keepListings(store: Store, listings: Listings | undefined): Promise<void> {
  for (const [digest, listing] of listings ?? [])
    if ((await store.getDocument(documentOf(digest))) === undefined)
      await store.putDocument(documentOf(digest), listing)
}

/** Describes the differences between a stage's keys; for a folder of the spec, with the files that have changed. */
export async function changesInWords(
  changes: readonly Difference[],
  stage: string,
  { plan, store, listings }: { readonly plan: FrozenPlan; readonly store: Store; readonly listings?: Listings },
): Promise<readonly string[]> {
  const listingOf = async (digest: unknown): Promise<Listing | undefined> =>
    listings?.get(digest as Digest) ??
    (isDigest(digest) ? ((await store.getDocument(documentOf(digest))) as Listing | undefined) : undefined)
  const words: string[] = []
  for (const difference of changes) {
    const name = inputOf(difference.path, stage)
    if (name === undefined || plan.inputDigests[name] !== difference.after || difference.before === undefined) {
      words.push(inWords(difference))
      continue
    }
    const [before, after] = [await listingOf(difference.before), await listingOf(difference.after)]
    const files =
      before && after ? fileChanges(before, after) : after ? [] : [`${basename(pathOf(plan, name))} changed`]
    words.push(files.length > 0 ? `${name}: ${few(files)}` : inWords(difference))
  }
  return words
}

/** Returns the name in `inputDigests` for a component of a key; undefined if it is not a path of the spec. */
function inputOf(path: string, stage: string): string | undefined {
  const [group, ...rest] = path.split('.')
  if (group === 'inputs') return rest.join('.')
  return group === 'params' ? ['stages', stage, ...rest].join('.') : undefined
}

function pathOf({ inputs, stages }: FrozenPlan, name: string): string {
  const [first, stage, ...rest] = name.split('.')
  const params = first === 'stages' ? stages.find((own) => own.name === stage)?.params : undefined
  const parts = params ? rest : name.split('.')
  const value = parts.reduce<unknown>(
    (at, part) => (at as Record<string, unknown> | undefined)?.[part],
    params ?? inputs,
  )
  return typeof value === 'string' ? value : name
}

function fileChanges(before: Listing, after: Listing): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((file) => {
    if (before[file] === after[file]) return []
    if (before[file] === undefined) return [`${file} added`]
    return [after[file] === undefined ? `${file} removed` : `${file} changed`]
  })
}

const few = (texts: readonly string[]) =>
  texts.length > 5 ? `${texts.slice(0, 4).join(', ')} and ${texts.length - 4} more files` : texts.join(', ')
