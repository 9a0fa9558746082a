import { parseDigest, type Digest } from './digest.js'

/** Names of what lies in a store: paths below its folder or prefix. */
export const identityName = 'store.json'
export const artifactName = (digest: Digest): string => `artifacts/${digest.slice(0, 2)}/${parseDigest(digest)}`
export const recordName = (key: Digest): string => `records/${key.slice(0, 2)}/${parseDigest(key)}.json`
export const checkpointName = (key: Digest): string => `checkpoints/${parseDigest(key)}`
export const setAsideName = (digest: Digest): string => `corrupt/${digest}`

export function documentName(name: string): string {
  if (!/^[\w-]+(\/[\w.-]+)*$/.test(name) || name.includes('..'))
    throw new Error(`Internal error: document name ${name}`)
  return `documents/${name}.json`
}

/** The digest that ends a name, of an artifact or a record; undefined for anything else. */
export function digestInName(name: string): Digest | undefined {
  const found = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1]
  return found === undefined ? undefined : parseDigest(found)
}

/** What lies at the top of a store in a folder. */
export const storeNames: readonly string[] = [
  identityName,
  'artifacts',
  'records',
  'documents',
  'checkpoints',
  'corrupt',
  'scratch',
  'logs',
]

/**
 * What is put again, or used, when it is older than this gets its time set anew (milliseconds). `gc` leaves what is
 * younger than the run that is going on, with twice this as a margin.
 */
export const freshFor = 5 * 60_000
