import { resolve } from 'node:path'
import { FileStore } from './file-store.js'
import { storeSigner } from './signer.js'
import type { Store } from './store.js'

export { FileStore } from './file-store.js'
export { digestFile, fileFailure as storeFailure } from './files.js'
export { storeNames } from './layout.js'
export { MissingArtifact } from './missing-artifact.js'
export { storeKeyVariable } from './signer.js'
export type { ArtifactRef, Digest, Leftover, Store, Stored, TaskRecord } from './store.js'

/** How to open a store. */
export interface OpenOptions {
  /** Nothing will be written, so a bucket without a store gets no identity. @default false */
  readonly onlyRead?: boolean
  /** Reads and writes as if there were no key: for work in which it does not matter who wrote what. @default false */
  readonly unsigned?: boolean
  /** Receives a line for a record or document that is refused. @default writes it to stderr */
  readonly warn?: (line: string) => void
}

/**
 * Opens a store. A store in a folder is created by the first write.
 *
 * @param location  a folder, or `s3://bucket/prefix`. @default `store` in the user's state directory
 * @throws Failure InvalidInput if the location, the S3 settings or the key are wrong, NoServer if S3 cannot be reached
 */
export async function openStore(location?: string, options: OpenOptions = {}): Promise<Store> {
  const { onlyRead = false, unsigned = false, warn = (line) => process.stderr.write(`${line}\n`) } = options
  const signer = unsigned ? undefined : storeSigner(warn)
  if (!location?.startsWith('s3://'))
    return new FileStore(location === undefined ? undefined : resolve(location), signer)
  // The SDK takes a while to load, and most commands do not need it.
  const { S3Store } = await import('./s3-store.js')
  return S3Store.open(location, { onlyRead, signer })
}
