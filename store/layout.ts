import { parseDigest, type Digest } from './digest.js'

/** Name of the file with the store's identity. Names in a store are paths below its folder or prefix. */
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

/** Returns the digest at the end of the name of an artifact or a record; undefined for any other name. */
export function digestInName(name: string): Digest | undefined {
  const found = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1]
  return found === undefined ? undefined : parseDigest(found)
}

/** Names of the files and folders at the top of a store in a folder. */
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
 * In milliseconds. Storing or using something older than this sets its time to now. `gc` keeps everything that is newer than
 * the start of an active run, with a margin of twice this.
 */
export const freshFor = 5 * 60_000

/** Names of a machine's folders for checkpoints of a store that lies elsewhere. One that was begun without a key may be anybody's. */
export const checkpointFolders = { unsigned: 'checkpoints', signed: 'signed-checkpoints' } as const
