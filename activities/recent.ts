import type { ArtifactRef, Store } from '../store/index.js'

/** Documents that are kept: plans, lists of tasks and outputs of the stages that run. */
const most = 16

/** Reads JSON artifacts, and keeps those that were read last: each task of a stage reads the same ones. They are shared, so
 *  nobody may change them. */
export const recentJson = (store: Pick<Store, 'readJson'>): ((ref: ArtifactRef) => Promise<unknown>) =>
  recent((ref) => store.readJson(ref))

/** Keeps what was made last of artifacts. What could not be made is tried again. */
export function recent<T>(make: (ref: ArtifactRef) => Promise<T>): (ref: ArtifactRef) => Promise<T> {
  const kept = new Map<string, Promise<T>>()
  return (ref) => {
    const found = kept.get(ref.digest) ?? make(ref)
    kept.delete(ref.digest)
    kept.set(ref.digest, found)
    if (kept.size > most) kept.delete(kept.keys().next().value!)
    found.catch(() => kept.delete(ref.digest))
    return found
  }
}
