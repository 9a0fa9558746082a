import { resolve } from 'node:path'
import { FileStore } from './file-store.js'
import type { Store } from './store.js'

export { FileStore } from './file-store.js'
export { digestFile, fileFailure as storeFailure } from './files.js'
export { storeNames } from './layout.js'
export { MissingArtifact } from './missing-artifact.js'
export type { ArtifactRef, Digest, Leftover, Store, Stored, TaskRecord } from './store.js'

/**
 * Opens a store. A store in a folder is created by the first write.
 *
 * @param location  a folder, or `s3://bucket/prefix`. @default `store` in the user's state directory
 * @param options  `onlyRead`: nothing will be written, so a bucket without a store gets no identity. @default false
 * @throws Failure InvalidInput if the location or the S3 settings are wrong, NoServer if S3 cannot be reached
 */
export async function openStore(location?: string, { onlyRead = false } = {}): Promise<Store> {
  if (location === undefined) return new FileStore()
  if (!location.startsWith('s3://')) return new FileStore(resolve(location))
  // The SDK takes a while to load, and most commands do not need it.
  const { S3Store } = await import('./s3-store.js')
  return S3Store.open(location, { onlyRead })
}
