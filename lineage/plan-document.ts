import type { Digest } from '../store/index.js'

/** Name of the document which says that this user, who has the store's key, has started a plan. */
export const planDocument = (plan: Digest): string => `plans/${plan}`
