import type { Store } from '../store/index.js'
import { buildId } from './build-id.js'

/** Task queue of a store and a version of the code: checkouts may share a server. */
export const queueOf = (store: Store): string => `puzzleflow-${store.id}-${buildId()}`
