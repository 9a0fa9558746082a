import { resolve } from 'node:path'
import { FileStore } from './file-store.js'
import type { Store } from './store.js'

export { FileStore } from './file-store.js'
export { digestFile, fileFailure as storeFailure } from './files.js'
export { storeNames } from './layout.js'
export { MissingArtifact } from './missing-artifact.js'
export type { ArtifactRef, Digest, Leftover, Store, Stored, TaskRecord } from './store.js'

/**
 * Opens the store at a location: a folder, or `s3://bucket/prefix`; by default the folder in the user's state directory.
 * @param options  with `onlyRead` nothing will be written: a place without a store gets no identity
 * @throws Failure InvalidInput, NoServer
 */
export async function openStore(location?: string, { onlyRead = false } = {}): Promise<Store> {
  if (location === undefined) return new FileStore()
  if (!location.startsWith('s3://')) return new FileStore(resolve(location))
  // The SDK takes a while to load, and most commands do without.
  const { S3Store } = await import('./s3-store.js')
  return S3Store.open(location, { onlyRead })
}
