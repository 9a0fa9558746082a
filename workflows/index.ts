/** What the worker's workflow bundle holds. */
export { group } from './group.js'
export { progressQuery, search } from './search.js'
