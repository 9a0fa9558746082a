/** What a plugin imports (`puzzleflow/plugin`). */
export * from './block.js'
export * from './failure.js'
export * from './stage.js'
