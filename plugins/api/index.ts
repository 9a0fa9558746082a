/** What a plugin imports (`puzzleflow/plugin`). */
export * from './block.js'
export * from './compute.js'
export * from './failure.js'
export * from './grid.js'
export * from './plugin.js'
export * from './stage.js'
export type { ArtifactRef, Digest } from '../../store/store.js'
export { digestJson } from '../../store/digest.js'
