import { FileStore } from './file-store.js'
import type { Store } from './store.js'

export { FileStore, digestFile } from './file-store.js'
export { MissingArtifact } from './missing-artifact.js'
export type { ArtifactRef, Digest, Store, TaskRecord } from './store.js'

/** Opens the store at a location: a folder; by default the one in the user's state directory. */
export function openStore(location?: string): Store {
  return new FileStore(location)
}
