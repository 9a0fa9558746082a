/** What the worker's workflow bundle holds. */
export { group } from './group.js'
export { page } from './page.js'
export { search } from './search.js'
